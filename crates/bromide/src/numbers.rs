//! Numbers as people write addresses and sizes.

/// Bytes: decimal, 0x hex, with K, M or G for powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') if !is_hex(text) => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') if !is_hex(text) => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') if !is_hex(text) => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16),
        _ if !digits.starts_with('+') => digits.parse(),
        _ => "".parse(),
    };
    value
        .ok()
        .and_then(|v| v.checked_shl(shift).filter(|shifted| shifted >> shift == v))
        .ok_or_else(|| format!("\"{text}\" is no number of bytes; write 4096, 0x1000, 4K or 1M"))
}

fn is_hex(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X")
}

/// A number of pages per packet: at least 1 (0 would make an agent send empty packets for ever), at most 1024 (a queue of such packets still fits in 64 MiB).
pub(crate) fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("a number from 1 to 1024 is wanted".into()),
    }
}

/// 1 page, 151,040 pages.
pub(crate) fn pages(n: u64) -> String {
    format!("{} page{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Bytes for people: 318,996,480.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(bytes("0x13a0000"), Ok(0x13a_0000));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("128K"), Ok(0x20000));
        assert_eq!(bytes("512m"), Ok(0x2000_0000));
        assert_eq!(bytes("0xFFG").ok(), None);
        for bad in ["", "x", "-1", "+1", "0x", "0x+1", "1T", "99999999999G", "K"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zero_pages_per_packet_never_reach_a_phone() {
        assert!(count("0").is_err());
        assert_eq!(count("64"), Ok(64));
        assert!(count("1025").is_err());
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(grouped(318_996_480), "318,996,480");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
    }
}
