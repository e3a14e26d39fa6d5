//! The TCP link over the loopback interface.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bromide_link::{Cancel, Direction, Faulty, STALL, Tap, TcpLink, run};
use bromide_proto::link::{Link, LinkError, recv_exact};
use support::ends_soon_after_a_wish_to_stop;

const SECOND: Duration = Duration::from_secs(1);

/// Both ends of a connection; the phone's end blocks.
fn pair(cancel: &Cancel) -> (TcpStream, TcpLink) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let link = TcpLink::connect(&address, SECOND, cancel.clone()).unwrap();
    (listener.accept().unwrap().0, link)
}

/// An address nobody listens at.
fn deserted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn bytes_pass_both_ways_and_the_tap_sees_them_in_order() {
    let (mut phone, link) = pair(&Cancel::new());
    let mut log = Vec::new();
    let mut link = Tap::new(link, |way, bytes: &[u8]| log.push((way, bytes.to_vec())));
    run(link.send(&[0xA0])).unwrap();
    let mut byte = [0];
    phone.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [0xA0]);
    phone.write_all(&[0x5F]).unwrap();
    run(recv_exact(&mut link, &mut byte, SECOND)).unwrap();
    assert_eq!(byte, [0x5F]);
    assert_eq!(log, [(Direction::ToPhone, vec![0xA0]), (Direction::FromPhone, vec![0x5F])]);
}

#[test]
fn a_refused_receive_shows_the_tap_nothing() {
    let (_phone, link) = pair(&Cancel::new());
    let mut seen = 0;
    let mut link = Tap::new(link, |_, _: &[u8]| seen += 1);
    assert!(run(link.recv(&mut [0; 4], Duration::ZERO)).is_err());
    drop(link);
    assert_eq!(seen, 0);
}

#[test]
fn silence_ends_after_the_patience_and_not_before() {
    let (_phone, mut link) = pair(&Cancel::new());
    for patience in [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(250)] {
        let start = Instant::now();
        let e = run(link.recv(&mut [0; 8], patience)).unwrap_err();
        assert!(matches!(e, LinkError::Timeout(d) if d == patience), "{e}");
        assert!(start.elapsed() >= patience && start.elapsed() < patience + SECOND);
    }
}

#[test]
fn what_was_sent_before_the_end_still_arrives() {
    let (mut phone, mut link) = pair(&Cancel::new());
    phone.write_all(b"bye").unwrap();
    drop(phone);
    let mut into = [0; 3];
    run(recv_exact(&mut link, &mut into, SECOND)).unwrap();
    assert_eq!(&into, b"bye");
    let e = run(link.recv(&mut into, SECOND)).unwrap_err();
    assert!(matches!(e, LinkError::Unplugged), "{e}");
}

#[test]
fn a_connection_that_was_reset_is_an_unplugged_phone() {
    let (mut phone, mut link) = pair(&Cancel::new());
    run(link.send(b"unread")).unwrap();
    // Closing with unread input makes the system send a reset.
    phone.set_nonblocking(false).unwrap();
    let mut one = [0];
    phone.read_exact(&mut one).unwrap();
    drop(phone);
    let until = Instant::now() + Duration::from_secs(5);
    let e = loop {
        match run(link.send(b"more")) {
            Ok(()) => assert!(Instant::now() < until, "the reset was never noticed"),
            Err(e) => break e,
        }
    };
    assert!(matches!(e, LinkError::Unplugged), "{e}");
    let e = run(link.recv(&mut one, SECOND)).unwrap_err();
    assert!(matches!(e, LinkError::Unplugged), "{e}");
}

#[test]
fn a_wish_to_stop_ends_a_receive_within_200_ms() {
    ends_soon_after_a_wish_to_stop(|cancel| {
        let (_phone, mut link) = pair(&cancel);
        run(link.recv(&mut [0; 8], Duration::MAX)).unwrap_err()
    });
}

#[test]
fn a_send_that_the_phone_does_not_take_fails_after_the_stall_limit() {
    let (_phone, mut link) = pair(&Cancel::new());
    let start = Instant::now();
    let e = run(link.send(&vec![0; 64 << 20])).unwrap_err();
    assert!(matches!(e, LinkError::Stalled(d) if d == STALL), "{e}");
    assert!(start.elapsed() >= STALL && start.elapsed() < STALL + Duration::from_secs(5));
}

#[test]
fn a_slow_phone_gets_everything_of_a_large_send() {
    let (mut phone, mut link) = pair(&Cancel::new());
    let reader = thread::spawn(move || {
        let (mut total, mut into) = (0, vec![0; 64 << 10]);
        loop {
            match phone.read(&mut into).unwrap() {
                0 => return total,
                n => total += n,
            }
        }
    });
    run(link.send(&vec![7; 16 << 20])).unwrap();
    drop(link);
    assert_eq!(reader.join().unwrap(), 16 << 20);
}

#[test]
fn nobody_listening_is_a_time_out() {
    let wait = Duration::from_millis(200);
    let start = Instant::now();
    let e = TcpLink::connect(&deserted(), wait, Cancel::new()).unwrap_err();
    assert!(matches!(e, LinkError::Timeout(d) if d == wait), "{e}");
    assert!(start.elapsed() >= wait && start.elapsed() < wait + SECOND);
}

#[test]
fn a_phone_that_starts_listening_late_is_reached() {
    let address = deserted();
    let late = address.clone();
    let listener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(150));
        TcpListener::bind(late).unwrap()
    });
    TcpLink::connect(&address, Duration::from_secs(20), Cancel::new()).unwrap();
    listener.join().unwrap();
}

#[test]
fn a_wish_to_stop_ends_connecting() {
    let address = deserted();
    ends_soon_after_a_wish_to_stop(|cancel| {
        TcpLink::connect(&address, Duration::from_secs(60), cancel).unwrap_err()
    });
}

#[test]
fn a_bad_address_is_named_at_once() {
    let start = Instant::now();
    for bad in ["", "phone", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"] {
        let e = TcpLink::connect(bad, Duration::from_secs(60), Cancel::new()).unwrap_err();
        assert!(matches!(e, LinkError::Other(_)), "{bad}: {e}");
        assert!(e.to_string().starts_with(bad), "{e}");
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_receive_into_nothing_is_an_error_and_not_a_hang() {
    let (_phone, link) = pair(&Cancel::new());
    assert!(run(Faulty::new(link, []).recv(&mut [], Duration::MAX)).is_err());
}
