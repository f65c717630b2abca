//! Bodies of the fuzz targets of this crate, which run as tests too.

use slipstream_aof::{Content, Ending, Fault, Manifest, Piece, Scanner, Search, count_commands};

/// A manifest that is taken is written and taken again.
pub(crate) fn aof_manifest(input: &[u8]) {
    let Ok(manifest) = Manifest::parse(input) else { return };
    let encoded = manifest.encode();
    if encoded.split(|byte| *byte == b'\n').all(|line| line.len() < 1024) && !encoded.is_empty() {
        assert_eq!(Manifest::parse(&encoded), Ok(manifest));
    }
}

/// A file is good up to the same place with the same bytes, however it comes.
pub(crate) fn aof_scan(input: &[u8]) {
    let Some((step, file)) = input.split_first() else { return };
    let whole = read(file, file.len().max(1));
    assert_eq!(read(file, usize::from(*step).max(1)), whole);
    assert!(whole.good <= file.len() as u64);
    assert!(count_commands(file) <= file.len() as u64);
    // What is good is good again by itself, unless it was refused.
    if whole.fault.is_none() && whole.ending != Some(Ending::WithinMulti) {
        let good = &file[..usize::try_from(whole.good).expect("within the file")];
        let again = read(good, good.len().max(1));
        assert_eq!((again.taken, again.good), (whole.taken, whole.good));
    }
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    taken: Vec<u8>,
    good: u64,
    fault: Option<Fault>,
    is_proven: Option<bool>,
    ending: Option<Ending>,
}

fn read(file: &[u8], step: usize) -> Outcome {
    let (mut scanner, mut outcome) = (Scanner::default(), Outcome::default());
    let (mut from, mut to) = (0, 0);
    loop {
        match scanner.step(&file[from..to], (file.len() - from) as u64) {
            Ok(None) if to == file.len() => {
                outcome.ending = Some(scanner.ending(&file[from..]));
                break;
            }
            Ok(None) => to = file.len().min(to + step),
            Ok(Some(Piece { consumed, content })) => {
                assert!(consumed > 0 && consumed <= to - from);
                if let Content::Batch { bytes, .. } | Content::Commands { bytes, .. } = content {
                    outcome.taken.extend_from_slice(&file[from..to][bytes]);
                }
                from += consumed;
            }
            Err(fault) => {
                outcome.is_proven = scanner.proven().map(|proven| {
                    let mut search = Search::new(proven);
                    file[from..].chunks(step).any(|chunk| search.push(chunk))
                });
                outcome.fault = Some(fault);
                break;
            }
        }
    }
    outcome.good = scanner.good_end();
    outcome
}
