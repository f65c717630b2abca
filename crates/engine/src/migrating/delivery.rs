//! One attempt to bring a shipment to its target: what is said, and what the answers mean.
//!
//! ```text
//! AUTH …, if asked for     SELECT, unless it is selected   |   RESTORE key ttl value [REPLACE], for each key
//! ```
//! Each request has an answer of one line. Those to the first ones are awaited: a key that is sent all the same would
//! come into another database, or to somebody else. Keys go without waiting for answers. One that is due when its turn
//! comes stays out.

use std::collections::VecDeque;

use slipstream_keyspace::UnixMillis;
use slipstream_resp::encode_request;

use super::{Shipment, Shipped, Trouble};

/// The most bytes of a reply with its end: a target that says more is none.
pub const LONGEST_REPLY: usize = 4096;

/// One attempt to bring a shipment to its target.
#[derive(Debug)]
pub struct Delivery<'a> {
    shipment: &'a Shipment,
    /// The parcel that goes next.
    next: usize,
    /// Requests that are not answered yet.
    expected: VecDeque<Asked>,
    /// Whether any key was answered.
    began: bool,
    shipped: Shipped,
}

/// What a reply will answer.
#[derive(Debug)]
enum Asked {
    /// AUTH or SELECT.
    Access,
    /// RESTORE of this parcel.
    Key(usize),
}

impl<'a> Delivery<'a> {
    /// Begins over a connection on which this database is selected, as far as that is known; writes what goes first.
    /// The replies to that are to be taken before anything else is sent.
    pub fn begin(shipment: &'a Shipment, selected: Option<i64>, out: &mut Vec<u8>) -> Delivery<'a> {
        let expected = VecDeque::new();
        let shipped = Shipped::default();
        let mut delivery = Delivery { shipment, next: 0, expected, began: false, shipped };
        if !shipment.login.is_empty() {
            let words: Vec<&[u8]> =
                [&b"AUTH"[..]].into_iter().chain(shipment.login.iter().map(Vec::as_slice)).collect();
            delivery.ask(out, &words, Asked::Access);
        }
        if selected != Some(shipment.db) {
            let mut digits = itoa::Buffer::new();
            delivery.ask(out, &[b"SELECT", digits.format(shipment.db).as_bytes()], Asked::Access);
        }
        delivery
    }

    fn ask(&mut self, out: &mut Vec<u8>, words: &[&[u8]], asked: Asked) {
        encode_request(out, words.iter().copied());
        self.expected.push_back(asked);
    }

    /// Writes the request for the next key that is not due yet; whether there was one. Where access was refused, none
    /// goes.
    pub fn send_next(&mut self, now: UnixMillis, out: &mut Vec<u8>) -> bool {
        let asks_access = matches!(self.expected.front(), Some(Asked::Access));
        assert!(!asks_access, "the replies to what goes first are awaited");
        if !self.began && self.shipped.trouble.is_some() {
            return false;
        }
        while let Some(parcel) = self.shipment.parcels.get(self.next) {
            self.next += 1;
            let ttl = match parcel.deadline {
                None => 0,
                Some(deadline) if deadline < now => continue,
                Some(deadline) => (deadline.0 - now.0).max(1),
            };
            let mut digits = itoa::Buffer::new();
            let payload = slipstream_rdb::dump(&parcel.value, self.shipment.compress);
            let words: [&[u8]; 5] =
                [b"RESTORE", &parcel.key, digits.format(ttl).as_bytes(), &payload, b"REPLACE"];
            let count = if self.shipment.replace { 5 } else { 4 };
            self.ask(out, &words[..count], Asked::Key(self.next - 1));
            return true;
        }
        false
    }

    /// Whether a reply is still to come.
    pub fn awaits_reply(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Takes a reply, without its line's end.
    ///
    /// # Errors
    /// It is neither a success nor an error: this is no server of the kind.
    pub fn take_reply(&mut self, line: &[u8]) -> Result<(), Trouble> {
        let asked = self.expected.pop_front();
        let is_fine = match line.first() {
            Some(b'+') => true,
            Some(b'-') => false,
            _ => return Err(Trouble::Reading),
        };
        self.began |= matches!(asked, Some(Asked::Key(_)));
        if let (true, Some(Asked::Key(at))) = (is_fine, asked) {
            self.shipped.taken.push(self.shipment.parcels[at].key.clone());
        }
        if !is_fine && self.shipped.trouble.is_none() {
            let words = String::from_utf8_lossy(&line[1..]).into_owned();
            self.shipped.trouble = Some(Trouble::Refused(words));
        }
        Ok(())
    }

    /// Whether another attempt does no harm: nothing is known of any key.
    pub fn may_begin_anew(&self) -> bool {
        !self.began
    }

    /// The database that is selected now, if that is sure.
    pub fn selected(&self) -> Option<i64> {
        self.shipped.trouble.is_none().then_some(self.shipment.db)
    }

    /// What became of the shipment, with the trouble that ended it early, if any: what the target said comes first.
    pub fn end(self, trouble: Option<Trouble>) -> Shipped {
        Shipped { trouble: self.shipped.trouble.or(trouble), ..self.shipped }
    }
}

#[cfg(test)]
mod tests {
    use slipstream_keyspace::{Str, Value};

    use super::super::Parcel;
    use super::*;

    fn shipment(keys: &[(&str, Option<i64>)]) -> Shipment {
        let parcel = |(key, deadline): &(&str, Option<i64>)| Parcel {
            key: key.as_bytes().into(),
            value: Value::String(Str::from_bytes(b"v")),
            deadline: deadline.map(UnixMillis),
        };
        Shipment {
            number: 1,
            host: "h".into(),
            port: 1,
            timeout_ms: 1,
            login: vec![b"me".to_vec(), b"pw".to_vec()],
            db: 9,
            replace: true,
            compress: true,
            parcels: keys.iter().map(parcel).collect(),
        }
    }

    fn text(out: &[u8]) -> String {
        String::from_utf8_lossy(out).replace("\r\n", " ")
    }

    /// What is said, and what becomes of it where these are the answers.
    fn check(selected: Option<i64>, replies: &[&str], taken: &[&str], trouble: Option<&str>) {
        let shipment = shipment(&[("a", None), ("due", Some(99)), ("b", Some(100)), ("c", Some(150))]);
        let mut out = Vec::new();
        let mut delivery = Delivery::begin(&shipment, selected, &mut out);
        let mut replies = replies.iter();
        for _ in 0..2 {
            while delivery.awaits_reply() {
                delivery.take_reply(replies.next().unwrap().as_bytes()).unwrap();
            }
            while delivery.send_next(UnixMillis(100), &mut out) {}
        }
        assert!(!delivery.awaits_reply() && replies.next().is_none());
        assert_eq!(delivery.selected().is_some(), trouble.is_none());
        let shipped = delivery.end(None);
        let keys: Vec<Box<[u8]>> = taken.iter().map(|key| key.as_bytes().into()).collect();
        let trouble = trouble.map(|words| Trouble::Refused(words.to_owned()));
        assert_eq!(shipped, Shipped { taken: keys, trouble });
    }

    #[test]
    fn access_goes_first_and_keys_that_are_due_stay_out() {
        let shipment = shipment(&[("a", None), ("due", Some(99)), ("b", Some(100)), ("c", Some(150))]);
        let mut out = Vec::new();
        let mut delivery = Delivery::begin(&shipment, None, &mut out);
        assert_eq!(text(&out), "*3 $4 AUTH $2 me $2 pw *2 $6 SELECT $1 9 ");
        [b"+OK"; 2].into_iter().for_each(|reply| delivery.take_reply(reply).unwrap());
        let mut heads = Vec::new();
        loop {
            out.clear();
            if !delivery.send_next(UnixMillis(100), &mut out) {
                break;
            }
            let words = text(&out);
            assert!(words.ends_with(" $7 REPLACE "), "{words}");
            heads.push(words.split(' ').take(7).skip(4).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(heads, ["a $1 0", "b $1 1", "c $2 50"]);
    }

    #[test]
    fn what_the_target_says_decides_what_is_taken() {
        let busy = "-BUSYKEY Target key name already exists.";
        check(None, &["+OK", "+OK", "+OK", "+OK", "+OK"], &["a", "b", "c"], None);
        check(Some(9), &["+OK", "+OK", "+OK", "+OK"], &["a", "b", "c"], None);
        check(Some(9), &["+OK", "+OK", busy, "-OOM x"], &["a"], Some(&busy[1..]));
        check(None, &["-WRONGPASS x", "-ERR y"], &[], Some("WRONGPASS x"));
        check(None, &["+OK", "-ERR y"], &[], Some("ERR y"));
    }

    #[test]
    fn an_attempt_may_be_made_again_until_a_key_is_answered() {
        let shipment = shipment(&[("a", None), ("b", None)]);
        let mut delivery = Delivery::begin(&shipment, Some(9), &mut Vec::new());
        delivery.take_reply(b"+OK").unwrap();
        while delivery.send_next(UnixMillis(0), &mut Vec::new()) {}
        assert!(delivery.may_begin_anew());
        delivery.take_reply(b"+OK").unwrap();
        assert!(!delivery.may_begin_anew());
        assert_eq!(delivery.take_reply(b"HTTP/1.1 400 Bad Request"), Err(Trouble::Reading));
        let shipped = delivery.end(Some(Trouble::Reading));
        assert_eq!((shipped.taken.len(), shipped.trouble), (1, Some(Trouble::Reading)));
    }
}
