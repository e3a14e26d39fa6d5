//! A device that sends as fast as it is asked, on the kernel's virtual host controller.

use std::io::{self, BufReader, Read, Write};

use super::vhci::{self, HEAD, LONGEST, STALL, SUBMIT, SUBMITTED, UNLINK, UNLINKED, message};

/// An id that no phone has.
pub(crate) const ID: &str = "1209:0001";
/// Its bulk endpoint.
pub(crate) const IN: u8 = 0x81;

/// Answers gathered for one write.
const BATCH: usize = 512 << 10;

const DEVICE: [u8; 18] = [18, 1, 0, 2, 0xff, 0, 0, 64, 0x09, 0x12, 0x01, 0, 0, 1, 0, 0, 0, 1];
/// Two interfaces of the vendor's own class, the second with one bulk endpoint.
const CONFIGURATION: [u8; 34] = [
    9, 2, 34, 0, 2, 1, 0, 0xc0, 50, // configuration
    9, 4, 0, 0, 0, 0xff, 0, 0, 0, // interface 0
    9, 4, 1, 0, 1, 0xff, 0, 0, 0, // interface 1
    7, 5, IN, 2, 0, 2, 0, // bulk, 512 bytes
];

/// Attaches and answers until the host is gone. `borders` are the lengths of the transfers, again and again, as a
/// phone ends one at each page; none: every request is filled.
pub(crate) fn source(borders: &[&str]) -> Result<(), String> {
    let number = |word: &&str| word.parse().ok().filter(|n| (1..=LONGEST).contains(n));
    let borders: Option<Vec<usize>> = borders.iter().map(number).collect();
    let borders = borders.ok_or("borders are numbers of bytes")?;
    let failed = |e: io::Error| e.to_string();
    let (ours, _) = vhci::attach(None, vhci::HIGH_SPEED)?;
    println!("attached");
    let mut source = Source { bytes: vec![0x5a; LONGEST], borders, turn: 0, out: Vec::new() };
    let mut requests = BufReader::with_capacity(64 << 10, &ours);
    let mut head = [0; HEAD];
    while requests.read_exact(&mut head).is_ok() {
        source.answer(&mut requests, &head)?;
        // One write for all that was asked meanwhile.
        if requests.buffer().len() < HEAD || source.out.len() > BATCH {
            (&ours).write_all(&source.out).map_err(failed)?;
            source.out.clear();
        }
    }
    Ok(())
}

struct Source {
    bytes: Vec<u8>,
    borders: Vec<usize>,
    /// How many bulk transfers there were.
    turn: usize,
    /// Answers that wait for a write.
    out: Vec<u8>,
}

impl Source {
    fn answer(&mut self, requests: &mut impl Read, head: &[u8; HEAD]) -> Result<(), String> {
        let field = |at| vhci::field(head, at);
        let (command, sequence, inward, endpoint) = (field(0), field(4), field(12) == 1, field(16));
        let length = (field(24) as usize).min(LONGEST);
        match command {
            // Everything is answered at once, so what is to be taken back is done already.
            UNLINK => self.out.extend(message(UNLINKED, sequence, 0, 0)),
            SUBMIT if !inward => {
                let mut body = vec![0; length];
                requests.read_exact(&mut body).map_err(|e| e.to_string())?;
                self.out.extend(message(SUBMITTED, sequence, 0, length));
            }
            SUBMIT => {
                let data = match (endpoint, head.get(40..44)) {
                    (0, Some([0x80, 6, _, 1])) => Some(DEVICE.as_slice()),
                    (0, Some([0x80, 6, _, 2])) => Some(CONFIGURATION.as_slice()),
                    (0, Some([0x80..=0x82, 0, ..])) => Some([0, 0].as_slice()),
                    (1, _) => self.bytes.get(..next(&self.borders, &mut self.turn)),
                    _ => None,
                };
                match data {
                    Some(data) => {
                        let data = data.get(..length).unwrap_or(data);
                        self.out.extend(message(SUBMITTED, sequence, 0, data.len()));
                        self.out.extend(data);
                    }
                    None => self.out.extend(message(SUBMITTED, sequence, STALL, 0)),
                }
            }
            other => return Err(format!("unknown message {other}")),
        }
        Ok(())
    }
}

/// Bytes of the next transfer.
fn next(borders: &[usize], turn: &mut usize) -> usize {
    let length = turn.checked_rem(borders.len()).and_then(|at| borders.get(at));
    *turn += 1;
    length.copied().unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_end_at_the_borders_again_and_again() {
        let mut turn = 0;
        let lengths: Vec<_> = (0..4).map(|_| next(&[2111, 1], &mut turn)).collect();
        assert_eq!(lengths, [2111, 1, 2111, 1]);
        assert_eq!(next(&[], &mut turn), LONGEST);
    }

    #[test]
    fn the_configuration_is_as_long_as_it_says() {
        assert_eq!(usize::from(CONFIGURATION[2]), CONFIGURATION.len());
        assert_eq!(usize::from(DEVICE[0]), DEVICE.len());
    }
}
