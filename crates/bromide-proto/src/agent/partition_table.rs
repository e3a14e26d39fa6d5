//! `A2`, the partition table (PMT) of a NAND phone as its agent tells it.
//!
//! ```text
//! A2                     -> 5A, length    or A5, status (0000040D: there is none)
//! 5A                     -> records
//! 5A
//! ```
//! Source: `da-legacy.md` section 10, known from reading agent and vendor host only; the refusal was also seen
//! (`da-legacy-device.md` section 9). What the records mean is no matter of the wire.
//!
//! The answer has no sum, and a wrong table is a wrong file later: it is asked for twice and believed when both are
//! equal. Whatever else the agent says, it is in its command loop when this ends, or this is an error.

use super::{ANSWER, Agent, Loop, RESYNC};
use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Record sizes of agents: that of the MT6575, and of others (`da-legacy.md` section 10).
const RECORD_BYTES: [u32; 3] = [0x60, 0x58, 0x4c];
/// Records an agent has at most.
const MOST_RECORDS: u32 = 40;

/// What an agent says of its partition table. In every case it is back in its command loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAnswer {
    /// The records, byte by byte as told, twice alike: 1 to 40 of 96, 88 or 76 bytes each, little-endian.
    Records(Vec<u8>),
    /// It has none to give; its status, 0x40D for "no partition table".
    Refused(u32),
    /// It did not answer as an agent should, which is no reason not to go on without; what it did, for people.
    Unclear(String),
}

impl<L: Link> Agent<L> {
    /// `A2`: the phone's own partition table.
    ///
    /// # Errors
    /// The cable failed, or the agent could not be brought back into its command loop.
    pub async fn partition_table(&mut self) -> Result<TableAnswer, Error> {
        let first = self.ask_table().await?;
        if !matches!(first, TableAnswer::Records(_)) {
            return Ok(first);
        }
        Ok(match self.ask_table().await? {
            again if again == first => first,
            TableAnswer::Records(_) => TableAnswer::Unclear("two answers that differ".into()),
            TableAnswer::Refused(status) => {
                TableAnswer::Unclear(format!("an answer, and status {status:#x} when asked again"))
            }
            unclear => unclear,
        })
    }

    async fn ask_table(&mut self) -> Result<TableAnswer, Error> {
        let answer = self.hear_table().await?;
        let back = match answer {
            TableAnswer::Unclear(_) => false,
            // A `5A` that arrived as `A5` leaves the agent waiting, a lost byte leaves one too few or too many.
            TableAnswer::Records(_) | TableAnswer::Refused(_) => {
                matches!(self.in_loop(RESYNC).await?, Loop::There(_))
            }
        };
        if back {
            return Ok(answer);
        }
        let what = match answer {
            TableAnswer::Unclear(what) => what,
            _ => "an answer without its end".into(),
        };
        self.recall(&what).await?;
        Ok(TableAnswer::Unclear(what))
    }

    /// One exchange as far as it goes.
    async fn hear_table(&mut self) -> Result<TableAnswer, Error> {
        self.talk.step = "partition table (A2)";
        self.talk.send(&[da::PARTITION_TABLE]).await?;
        let Some([first]) = self.hear().await? else { return Ok(unclear("silence")) };
        if !matches!(first, da::ACK | da::NACK) {
            return Ok(unclear(&format!("{first:02x} where 5a or a5 was due")));
        }
        let Some(word) = self.hear().await?.map(u32::from_be_bytes) else {
            return Ok(unclear(&format!("{first:02x} and then too little")));
        };
        if first == da::NACK {
            return Ok(TableAnswer::Refused(word));
        }
        let Some(bytes) = length(word) else {
            return Ok(unclear(&format!("a table of {word:#x} bytes")));
        };
        let mut records = vec![0; bytes];
        self.talk.send(&[da::ACK]).await?;
        match self.talk.take(&mut records, ANSWER).await {
            Ok(()) => {}
            Err(e) if is_silence(&e) => return Ok(unclear("a table that breaks off")),
            Err(e) => return Err(e),
        }
        self.talk.send(&[da::ACK]).await?;
        Ok(TableAnswer::Records(records))
    }

    /// The next bytes, or `None` where they do not come.
    async fn hear<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Error> {
        match self.talk.take_array(ANSWER).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_silence(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

const fn is_silence(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Link(LinkError::Timeout(_)))
}

fn unclear(what: &str) -> TableAnswer {
    TableAnswer::Unclear(what.into())
}

/// A length an agent can announce: 1 to 40 records of a known size.
fn length(word: u32) -> Option<usize> {
    let fits = |size: &u32| {
        word.checked_rem(*size) == Some(0)
            && (1..=MOST_RECORDS).contains(&word.checked_div(*size).unwrap_or(0))
    };
    if RECORD_BYTES.iter().any(fits) { usize::try_from(word).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_format::Format;
    use crate::fixtures::hex;
    use crate::talk::Talk;
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    use core::time::Duration;
    use std::collections::VecDeque;

    /// An agent by script: the host must say each `H`, and hears the `D` that follows it.
    struct Script {
        turns: VecDeque<(Vec<u8>, Vec<u8>)>,
        due: VecDeque<u8>,
    }

    impl Script {
        fn new(turns: &[(&str, &str)]) -> Self {
            Self { turns: turns.iter().map(|(h, d)| (hex(h), hex(d))).collect(), due: VecDeque::new() }
        }
    }

    impl Link for Script {
        async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
            let (wanted, answer) = self.turns.pop_front().expect("the host says more than the script has");
            assert_eq!(bytes, wanted);
            self.due.extend(answer);
            Ok(())
        }
        async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
            let count = into.len().min(self.due.len());
            if count == 0 {
                return Err(LinkError::Timeout(within));
            }
            into.iter_mut().zip(self.due.drain(..count)).for_each(|(to, from)| *to = from);
            Ok(count)
        }
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn ask(turns: &[(&str, &str)]) -> Result<TableAnswer, Error> {
        let mut agent = Agent { talk: Talk::new(Script::new(turns)), format: Format::G2 };
        let answer = match pin!(agent.partition_table()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("a link left its poll waiting"),
        };
        let left = agent.talk.into_link();
        assert!(left.turns.is_empty(), "the host says less than the script has: {:?}", left.turns);
        assert!(left.due.is_empty(), "something was not heard: {:?}", left.due);
        answer
    }

    /// The rescue: `96` and `72`, found at once.
    const RESCUE: [(&str, &str); 2] = [("96", ""), ("72", "5a00")];

    fn unclear_after(turns: &[(&str, &str)]) {
        let turns = [turns, &RESCUE].concat();
        assert!(matches!(ask(&turns), Ok(TableAnswer::Unclear(_))), "{turns:?}");
    }

    #[test]
    fn records_are_taken_when_they_come_twice_alike() {
        // da-legacy.md section 10: two records of 0x60 bytes.
        let records = "41".repeat(0xc0);
        let once = [("a2", "5a 000000c0"), ("5a", records.as_str()), ("5a", ""), ("72", "5a 00")];
        assert_eq!(ask(&[once, once].concat()).unwrap(), TableAnswer::Records(vec![0x41; 0xc0]));
        let other = "41".repeat(0xbf) + "43";
        let twice = [("a2", "5a 000000c0"), ("5a", other.as_str()), ("5a", ""), ("72", "5a 01")];
        assert!(matches!(ask(&[once, twice].concat()).unwrap(), TableAnswer::Unclear(_)));
    }

    #[test]
    fn a_refusal_is_told_with_its_status() {
        // da-legacy-device.md section 9
        let none = ask(&[("a2", "a5 0000040d"), ("72", "5a 00")]).unwrap();
        assert_eq!(none, TableAnswer::Refused(0x40d));
    }

    #[test]
    fn a_refusal_that_was_a_yes_is_found_out() {
        // The yes arrives as a no: the agent takes the 72 for it and sends its records.
        let records = "41".repeat(0xc0);
        unclear_after(&[("a2", "a5 000000c0"), ("72", &records)]);
    }

    #[test]
    fn lengths_no_agent_can_have_are_not_waited_for() {
        for bytes in ["00000000", "00000001", "0000005f", "00000f60", "ffffffff", "60000000"] {
            unclear_after(&[("a2", &format!("5a {bytes}"))]);
        }
        for word in [0x60, 0x58, 0x4c, 0xf00, 0xdc0, 0xbe0] {
            assert_eq!(length(word), usize::try_from(word).ok(), "{word:#x}");
        }
        // 76-byte records, 41 of them, are no number of the larger ones either.
        assert_eq!(length(41 * 0x4c), None);
    }

    #[test]
    fn silence_other_bytes_and_cut_answers_leave_an_agent_in_its_loop() {
        unclear_after(&[("a2", "")]);
        unclear_after(&[("a2", "69")]);
        unclear_after(&[("a2", "5a 0000")]);
        unclear_after(&[("a2", "a5")]);
        unclear_after(&[("a2", "5a 00000060"), ("5a", "41414141")]);
        // The last yes was lost: the agent takes 72 for it.
        let records = "41".repeat(0x60);
        unclear_after(&[("a2", "5a 00000060"), ("5a", &records), ("5a", ""), ("72", "")]);
    }

    #[test]
    fn an_agent_that_does_not_come_back_is_an_error() {
        let lost = [("96", ""), ("72", "")];
        let turns = [&[("a2", "")][..], &lost, &lost, &lost].concat();
        assert!(matches!(ask(&turns).unwrap_err().kind, ErrorKind::NoRecovery { .. }));
    }
}
