//! A tool that talks to a phone and knows nothing of Bromide: it says some bytes, waits for as many as it was told to
//! expect, however long that takes (ten seconds), and prints them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long an answer may take, and a connection to be had.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(100);

/// Each word is `BYTES:COUNT`: these bytes in hexadecimal, then so many of the answer.
pub(crate) fn say(address: &str, words: &[&str]) -> Result<(), String> {
    let mut stream = connect(address)?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    for word in words {
        let (bytes, count) = parse(word).ok_or_else(|| format!("{word} is not BYTES:COUNT"))?;
        stream.write_all(&bytes).map_err(|e| format!("{word}: {e}"))?;
        let mut answer = vec![0; count];
        stream.read_exact(&mut answer).map_err(|e| format!("{word}: {e}"))?;
        println!("> {} < {}", hex(&bytes), hex(&answer));
    }
    Ok(())
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(e) if Instant::now() > until => return Err(format!("{address}: {e}")),
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}

fn parse(word: &str) -> Option<(Vec<u8>, usize)> {
    let (bytes, count) = word.split_once(':')?;
    let pairs = bytes.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    Some((pairs.collect::<Option<Vec<u8>>>()?, count.parse().ok().filter(|count| *count <= 4096)?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_bytes_and_the_length_of_the_answer() {
        assert_eq!(parse("a00a:3"), Some((vec![0xa0, 0x0a], 3)));
        assert_eq!(parse(":0"), Some((vec![], 0)));
        for word in ["a0", "a:1", "xx:1", "a0:", "a0:99999"] {
            assert_eq!(parse(word), None, "{word}");
        }
        assert_eq!(hex(&[0xa0, 5]), "a005");
    }
}
