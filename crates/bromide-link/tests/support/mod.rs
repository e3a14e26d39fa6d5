//! What the tests of several cables share.

use std::thread;
use std::time::{Duration, Instant};

use bromide_link::Cancel;
use bromide_proto::link::LinkError;

/// Runs `wait`, sets its flag 50 ms later, and expects it to be cancelled within 200 ms of that: in one of five
/// tries, since a busy machine may be late by itself.
pub(crate) fn ends_soon_after_a_wish_to_stop(mut wait: impl FnMut(Cancel) -> LinkError) {
    let mut late = Vec::new();
    for _ in 0..5 {
        let cancel = Cancel::new();
        let set = cancel.clone();
        let setter = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            let now = Instant::now();
            set.set();
            now
        });
        let e = wait(cancel);
        let end = Instant::now();
        assert!(matches!(e, LinkError::Cancelled), "{e}");
        late.push(end - setter.join().unwrap());
        if late.last() <= Some(&Duration::from_millis(200)) {
            return;
        }
    }
    panic!("cancelled too late: {late:?}");
}
