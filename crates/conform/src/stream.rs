//! What a server propagates, read as one of its replicas reads it.
//!
//! Asks with SYNC as the oldest replicas do, drops the snapshot and takes the stream apart into requests. A message
//! to a channel that nobody listens to marks how far everything before it has come.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The channel of the marks.
pub(crate) const CHANNEL: &str = "conform";
const END_MARK: usize = 40;
/// A moment that differs by less is the same one, in milliseconds or seconds since 1970.
const SAME_MOMENT: i128 = 600_000;

/// The words of one request, the number of the database before them.
pub(crate) type Propagated = Vec<Vec<u8>>;

pub(crate) struct Stream {
    input: BufReader<TcpStream>,
    database: Vec<u8>,
}

impl Stream {
    /// Reads the snapshot away.
    pub(crate) fn open(mut socket: TcpStream) -> io::Result<Self> {
        socket.write_all(b"SYNC\r\n")?;
        let mut stream = Self { input: BufReader::new(socket), database: b"0".to_vec() };
        let mut head = String::new();
        while head.trim().is_empty() {
            head.clear();
            if stream.input.read_line(&mut head)? == 0 {
                return Err(closed());
            }
        }
        match head.trim().strip_prefix("$EOF:") {
            Some(mark) => stream.skip_until(mark.as_bytes())?,
            None => {
                let length = head.trim().strip_prefix('$').and_then(|length| length.parse().ok());
                let length: u64 = length.ok_or_else(|| io::Error::other(head.clone()))?;
                io::copy(&mut stream.input.by_ref().take(length), &mut io::sink())?;
            }
        }
        Ok(stream)
    }

    fn skip_until(&mut self, mark: &[u8]) -> io::Result<()> {
        let mut last = Vec::new();
        let mut byte = [0];
        while last != mark {
            self.input.read_exact(&mut byte)?;
            last.push(byte[0]);
            if last.len() > END_MARK {
                last.remove(0);
            }
        }
        Ok(())
    }

    /// What was propagated up to this mark.
    pub(crate) fn until(&mut self, mark: &[u8]) -> io::Result<Vec<Propagated>> {
        let mut all = Vec::new();
        loop {
            let words = self.request()?;
            let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
            match name.as_slice() {
                b"ping" | b"replconf" => {}
                b"select" => self.database.clone_from(&words[1]),
                b"spublish" if words[1] == CHANNEL.as_bytes() => {
                    if words[2] == mark {
                        return Ok(all);
                    }
                }
                _ => {
                    let mut with_database = vec![self.database.clone()];
                    with_database.extend(words);
                    all.push(with_database);
                }
            }
        }
    }

    fn request(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let count = self.number('*')?;
        let mut words = Vec::new();
        for _ in 0..count {
            let length = self.number('$')?;
            let mut word = vec![0; length + 2];
            self.input.read_exact(&mut word)?;
            word.truncate(length);
            words.push(word);
        }
        Ok(words)
    }

    fn number(&mut self, marker: char) -> io::Result<usize> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.input.read_line(&mut line)? == 0 {
                return Err(closed());
            }
        }
        let number = line.trim().strip_prefix(marker).and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("in the stream: {line}")))
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the stream was closed")
}

/// Whether both say the same: letters in either case, moments of the same minutes. Of what was drawn by chance only
/// the names of the commands are compared.
pub(crate) fn is_same(ours: &[Propagated], theirs: &[Propagated], by_chance: bool) -> bool {
    let compared = if by_chance { 2 } else { usize::MAX };
    let same_request = |(ours, theirs): (&Propagated, &Propagated)| {
        let words = ours.iter().zip(theirs).take(compared);
        (by_chance || ours.len() == theirs.len()) && words.enumerate().all(is_same_word)
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same_request)
}

/// DEL and UNLINK are the same to whoever reads them.
fn is_same_word((index, (ours, theirs)): (usize, (&Vec<u8>, &Vec<u8>))) -> bool {
    let deletes = |word: &[u8]| word.eq_ignore_ascii_case(b"del") || word.eq_ignore_ascii_case(b"unlink");
    let moment = |word: &[u8]| {
        let text = std::str::from_utf8(word).ok()?;
        let number: i128 = text.split('-').next()?.parse().ok()?;
        (number > 1_600_000_000).then_some(number)
    };
    ours.eq_ignore_ascii_case(theirs)
        || (index == 1 && deletes(ours) && deletes(theirs))
        || matches!((moment(ours), moment(theirs)), (Some(a), Some(b)) if (a - b).abs() < SAME_MOMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &str) -> Propagated {
        words.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn case_and_moments_make_no_difference() {
        let same = |a: &str, b: &str| is_same(&[request(a)], &[request(b)], false);
        assert!(same("0 set k v PXAT 1700000000000", "0 SET k v pxat 1700000000017"));
        assert!(same("0 XADD s 1700000000000-0 a", "0 XADD s 1700000000003-0 a"));
        assert!(same("0 UNLINK k", "0 DEL k"));
        assert!(is_same(&[request("0 SREM k a")], &[request("0 SREM k b c")], true));
        assert!(!same("0 SET k 17", "0 SET k 18"));
        assert!(!same("0 DEL k", "1 DEL k"));
        assert!(!same("0 DEL k", "0 DEL k k"));
    }
}
