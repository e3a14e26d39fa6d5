//! Configurations no host should trust: lies about lengths, endpoints that cannot be, interfaces without end.
//!
//! Promises: each is what a broken or malicious device could send; a host has to say no to it in words.

/// Offset of the union's interfaces, of the data interface and of its endpoints in table P2.
const UNION: usize = 9 + 9 + 5 + 4 + 3;
const DATA: usize = 9 + 9 + 19 + 7;

/// The `which`-th broken form of this configuration (communication interface first, 67 bytes).
pub(super) fn configuration(which: u8, mut sound: Vec<u8>) -> Vec<u8> {
    match which {
        0 => sound[18] = 0,
        1 => sound.truncate(30),
        2 => [sound[2], sound[3]] = [0xff, 0xff],
        3 => [sound[2], sound[3]] = [9, 0],
        4 => (sound[DATA + 11], sound[DATA + 18]) = (0x00, 0x80),
        5 => without_bulk(&mut sound),
        6 => thirty_interfaces(&mut sound),
        7 => [sound[UNION], sound[UNION + 1]] = [9, 17],
        8 => {
            for endpoint in [DATA + 9, DATA + 16] {
                [sound[endpoint + 4], sound[endpoint + 5]] = [0, 0];
            }
        }
        9 => {
            sound.truncate(9);
            (sound[2], sound[4]) = (9, 0);
        }
        _ => {
            let last = sound.len() - 7;
            sound[last] = 200;
        }
    }
    sound
}

/// The data interface keeps its class and loses its endpoints.
fn without_bulk(sound: &mut Vec<u8>) {
    sound.truncate(DATA + 9);
    sound[DATA + 4] = 0;
    sound[2] = sound.len() as u8;
}

fn thirty_interfaces(sound: &mut Vec<u8>) {
    sound[4] = 30;
    for number in 2..30 {
        sound.extend([9, 4, number, 0, 0, 0xff, 0, 0, 0]);
    }
    let total = sound.len() as u16;
    sound[2..4].copy_from_slice(&total.to_le_bytes());
}
