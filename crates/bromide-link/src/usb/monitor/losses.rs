//! What of a phone's transfers is missing, as far as their other events show it.
//!
//! A transfer is submitted and completed, and on one endpoint in the order of submission unless it is taken back
//! (kernel documentation, `Documentation/driver-api/usb/URB.rst` and `usb_kill_urb`). An event without its other
//! half, or out of its turn, means that usbmon's buffer was full.

use std::collections::{HashMap, HashSet, VecDeque};

use bromide_capture::{UsbmonEvent, UsbmonStep};

use super::sort::Address;

/// More than the kernel lets be under way; what is older has been lost.
const MOST_UNDER_WAY: usize = 1 << 16;

/// The transfers of all phones that were recorded.
#[derive(Debug, Default)]
pub(super) struct Losses {
    devices: HashMap<Address, Device>,
}

/// Transfers under way, by their endpoints, in the order of submission.
#[derive(Debug, Default)]
struct Device {
    under_way: HashMap<u8, VecDeque<u64>>,
    /// Transfers that a later one has overtaken: either their end was lost, or they are being taken back, which the
    /// controller tells late.
    overtaken: HashSet<(u8, u64)>,
    /// The device was there before the recording, and transfers may be under way that nobody saw submitted: they end
    /// before the first one that was.
    was_there: bool,
    settled: HashSet<u8>,
}

impl Losses {
    /// How many events are missing, at least, as this one shows.
    pub(super) fn shown_by(&mut self, event: &UsbmonEvent) -> u64 {
        let submitted = event.step() == UsbmonStep::Submitted;
        let fresh = || Device { was_there: !submitted, ..Device::default() };
        self.devices.entry(event.device()).or_insert_with(fresh).shown_by(event)
    }

    /// How many more are missing, now that nothing comes any more.
    pub(super) fn left(&self) -> u64 {
        self.devices.values().map(|device| device.overtaken.len() as u64).sum()
    }

    /// This device was there before the recording.
    pub(super) fn was_there(&mut self, device: Address) {
        self.devices.insert(device, Device { was_there: true, ..Device::default() });
    }
}

impl Device {
    fn shown_by(&mut self, event: &UsbmonEvent) -> u64 {
        let (id, endpoint) = (event.id(), event.endpoint());
        let queue = self.under_way.entry(endpoint).or_default();
        let place = queue.iter().position(|it| *it == id);
        if event.step() == UsbmonStep::Submitted {
            let unseen = place.and_then(|place| queue.remove(place)).is_some();
            let ended_unseen = self.overtaken.remove(&(endpoint, id)) || unseen;
            queue.push_back(id);
            let too_many = queue.len() > MOST_UNDER_WAY && queue.pop_front().is_some();
            return u64::from(ended_unseen) + u64::from(too_many);
        }
        let Some(place) = place else {
            if self.overtaken.remove(&(endpoint, id)) {
                // Taken back, told late; a good end is told in its turn, so this is that of a new transfer.
                return u64::from(event.step() == UsbmonStep::Completed(0));
            }
            return u64::from(!self.was_there || self.settled.contains(&endpoint));
        };
        self.settled.insert(endpoint);
        if event.step() == UsbmonStep::Completed(0) {
            // Those in front of it have ended too, or are about to.
            self.overtaken.extend(queue.drain(..=place).take(place).map(|id| (endpoint, id)));
            return 0;
        }
        queue.remove(place);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::Seen;
    use super::*;

    /// Step, transfer and endpoint of each event; what they show in all.
    fn lost(losses: &mut Losses, events: &[(u8, u64, u8)]) -> u64 {
        let seen = |(step, id, endpoint)| Seen::bulk(id, step, endpoint, 5, &[]).event();
        events.iter().map(|event| losses.shown_by(&seen(*event))).sum()
    }

    #[test]
    fn nothing_is_missed_where_everything_is() {
        let mut losses = Losses::default();
        let round = [(b'S', 1, 0x81), (b'S', 2, 0x81), (b'S', 3, 1), (b'C', 1, 0x81), (b'E', 3, 1)];
        assert_eq!(lost(&mut losses, &round), 0);
        assert_eq!(lost(&mut losses, &[(b'S', 1, 0x81), (b'C', 2, 0x81), (b'C', 1, 0x81)]), 0);
    }

    #[test]
    fn a_transfer_that_begins_twice_or_ends_without_a_beginning_shows_a_loss() {
        let mut losses = Losses::default();
        assert_eq!(lost(&mut losses, &[(b'S', 1, 1), (b'S', 1, 1)]), 1);
        assert_eq!(lost(&mut losses, &[(b'C', 1, 1), (b'C', 1, 1)]), 1);
    }

    #[test]
    fn a_transfer_that_ends_before_its_turn_shows_that_both_halves_of_another_are_missing() {
        let mut losses = Losses::default();
        let queue = [(b'S', 1, 0x81), (b'S', 2, 0x81), (b'S', 3, 0x81)];
        assert_eq!(lost(&mut losses, &queue), 0);
        // The end of 1 and its new beginning are gone.
        assert_eq!(lost(&mut losses, &[(b'C', 2, 0x81)]), 0);
        assert_eq!(losses.left(), 1, "if nothing more comes");
        assert_eq!(lost(&mut losses, &[(b'S', 2, 0x81), (b'C', 3, 0x81), (b'C', 1, 0x81)]), 1);
        assert_eq!(losses.left(), 0);
    }

    #[test]
    fn a_transfer_that_is_taken_back_and_told_late_is_no_loss() {
        let mut losses = Losses::default();
        let queue = [(b'S', 1, 0x81), (b'S', 2, 0x81), (b'S', 3, 0x81), (b'C', 2, 0x81)];
        assert_eq!(lost(&mut losses, &queue), 0);
        for id in [1, 3] {
            let back = Seen { status: -104, ..Seen::bulk(id, b'C', 0x81, 5, &[]) };
            assert_eq!(losses.shown_by(&back.event()), 0);
        }
        assert_eq!(losses.left(), 0);
    }

    #[test]
    fn a_transfer_that_begins_again_after_it_was_overtaken_has_lost_its_end() {
        let mut losses = Losses::default();
        let queue = [(b'S', 1, 0x81), (b'S', 2, 0x81), (b'C', 2, 0x81), (b'S', 1, 0x81)];
        assert_eq!(lost(&mut losses, &queue), 1);
    }

    #[test]
    fn a_queue_that_is_taken_back_from_its_end_is_no_loss() {
        let mut losses = Losses::default();
        assert_eq!(lost(&mut losses, &[(b'S', 1, 0x81), (b'S', 2, 0x81), (b'S', 3, 0x81)]), 0);
        for id in [3, 2, 1] {
            let back = Seen { status: -2, ..Seen::bulk(id, b'C', 0x81, 5, &[]) };
            assert_eq!(losses.shown_by(&back.event()), 0);
        }
    }

    #[test]
    fn transfers_that_began_before_the_recording_are_not_missed_until_a_later_one_has_ended() {
        let mut losses = Losses::default();
        losses.was_there((1, 5));
        assert_eq!(lost(&mut losses, &[(b'S', 9, 0x81), (b'C', 1, 0x81), (b'C', 2, 0x81)]), 0);
        assert_eq!(lost(&mut losses, &[(b'C', 9, 0x81), (b'C', 3, 0x81)]), 1);
        assert_eq!(lost(&mut losses, &[(b'C', 4, 1)]), 0, "another endpoint");
    }
}
