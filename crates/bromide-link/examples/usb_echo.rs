//! Meets a phone on USB and checks every byte both ways, against a toy phone that answers `R` and a length with a
//! pattern, `W` and a length with a sum, and the handshake's bytes with their complements.
//!
//! `usb_echo [FACE [shake ROUNDS | burst BYTES | pour BYTES | hold SECONDS] [PORT]]`, FACE is bootrom, preloader, agent
//! or any. `hold` works with every phone: it keeps it open and prints what comes first.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bromide_link::usb::{Notice, UsbBus, UsbOptions, UsbOrTty};
use bromide_link::{Cancel, run};
use bromide_proto::bus::{Bus, Face};
use bromide_proto::link::{Link, LinkError, recv_exact};

const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let word = |n: usize| words.get(n).map(String::as_str);
    let faces: &[Face] = match word(0) {
        Some("bootrom") => &[Face::BootRom],
        Some("preloader") => &[Face::Preloader],
        Some("agent") => &[Face::Agent],
        _ => &[Face::BootRom, Face::Preloader, Face::Agent],
    };
    let amount = word(2).and_then(|n| n.parse().ok()).unwrap_or(65_536);
    let options =
        UsbOptions { port: word(3).map(Into::into), cancel: Cancel::new(), ..UsbOptions::default() };
    match run(job(options, faces, word(1).unwrap_or("shake"), amount)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn job(options: UsbOptions, faces: &[Face], what: &str, amount: usize) -> Result<(), LinkError> {
    let mut bus = UsbBus::new(options, |notice| match notice {
        Notice::OnTty { tty, rule, .. } => println!("on {}; rule: {rule}", tty.display()),
        Notice::Elsewhere { seen, .. } => println!("elsewhere: {seen}"),
        Notice::Refused { node, rule, .. } => println!("refused {}; rule: {rule}", node.display()),
    });
    let start = Instant::now();
    let (seen, mut link) = bus.meet(faces, Duration::from_secs(60)).await?;
    println!("met {seen} after {:?}", start.elapsed());
    if let UsbOrTty::Usb(direct) = &link {
        println!("{:?}", direct.interfaces());
    }
    let start = Instant::now();
    let bytes = match what {
        "hold" => {
            let mut into = [0; 512];
            match link.recv(&mut into, Duration::from_secs(amount as u64)).await {
                Ok(n) => println!("came: {:02x?}", into.get(..n).unwrap_or_default()),
                Err(e) => println!("{e}"),
            }
            return Ok(());
        }
        "burst" => burst(&mut link, amount).await?,
        "pour" => pour(&mut link, amount).await?,
        _ => shake(&mut link, amount).await?,
    };
    let rate = bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{bytes} bytes in {:?}, {rate:.2} MB/s", start.elapsed());
    Ok(())
}

/// Asks for a burst and compares it with the toy phone's pattern, so that a lost or doubled block shows.
async fn burst(link: &mut UsbOrTty, amount: usize) -> Result<usize, LinkError> {
    order(link, b'R', amount).await?;
    let mut buffer = vec![0; 128 << 10];
    let mut have = 0;
    while have < amount {
        let n = link.recv(&mut buffer, PATIENCE).await?;
        for byte in buffer.iter().take(n) {
            if *byte != pattern(have as u64) {
                return Err(LinkError::Other(format!("byte {have} is not what was sent").into()));
            }
            have += 1;
        }
    }
    Ok(have)
}

/// Sends as many bytes and compares the sum that comes back.
async fn pour(link: &mut UsbOrTty, amount: usize) -> Result<usize, LinkError> {
    let bytes: Vec<u8> = (0..amount as u64).map(pattern).collect();
    order(link, b'W', amount).await?;
    link.send(&bytes).await?;
    let mut back = [0; 5];
    recv_exact(link, &mut back, PATIENCE).await.map_err(|(_, e)| e)?;
    let sum = bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let [b'K', sums @ ..] = back else { return Err(LinkError::Other(format!("answer {back:02x?}").into())) };
    if u32::from_le_bytes(sums) != sum {
        return Err(LinkError::Other("the phone's sum is another".into()));
    }
    Ok(amount)
}

/// Round trips of the handshake, each byte answered with its complement.
async fn shake(link: &mut UsbOrTty, rounds: usize) -> Result<usize, LinkError> {
    for _ in 0..rounds {
        for byte in [0xa0, 0x0a, 0x50, 0x05] {
            let mut back = [0];
            link.send(&[byte]).await?;
            link.recv(&mut back, PATIENCE).await?;
            if back != [!byte] {
                return Err(LinkError::Other(format!("{byte:02x} was answered with {back:02x?}").into()));
            }
        }
    }
    Ok(rounds * 4)
}

async fn order(link: &mut UsbOrTty, what: u8, amount: usize) -> Result<(), LinkError> {
    let mut order = vec![what];
    order.extend((amount as u32).to_le_bytes());
    link.send(&order).await
}

fn pattern(at: u64) -> u8 {
    (at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}
