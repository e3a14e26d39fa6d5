//! The one poll: runs a conversation over native links to its end.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Runs `future` to its end on this thread.
///
/// Native links block inside `poll`, so a conversation over them is finished by a single poll and needs no
/// runtime; a backtrace taken inside shows the plain call stack.
///
/// # Panics
/// When the future is not finished by that poll: it then waited on something that is not a native link,
/// and nobody would ever wake it.
pub fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => {
            panic!("this conversation waits on a link that does not block inside poll; run() polls only once")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_never_waits_gives_its_value() {
        assert_eq!(run(async { core::future::ready(20).await + 1 }), 21);
    }

    #[test]
    #[should_panic(expected = "does not block inside poll")]
    fn a_future_that_would_have_to_be_woken_is_refused() {
        run(core::future::pending::<()>());
    }
}
