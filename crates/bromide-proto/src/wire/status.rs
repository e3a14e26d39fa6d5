//! Names of status numbers.
//!
//! BootROM: `brom-preloader.md` section 5. Agent: `da-legacy.md` section 12 (v7.1504 numbers) and
//! `da-legacy-device.md` section 10. Agent numbers moved by a few between builds: a name is a hint.

/// Name of a 16-bit BootROM or preloader status.
#[must_use]
pub const fn brom(status: u16) -> &'static str {
    match status {
        0 | 1 => "done",
        0x1d00..=0x1d02 => "invalid address",
        0x1d0c => "authentication not needed",
        0x1d0d => "serial link authentication required",
        0x1d0e => "the agent would overlap memory in use",
        0x1d0f => "invalid jump address",
        0x1d10 => "too many agent blocks",
        0x1d11 => "agent address not aligned",
        0x1d12 => "invalid agent address or length",
        0x1d13 => "agent length is zero",
        0x1d14 => "signature longer than the agent",
        0x1d15 => "the phone wants a signed agent",
        0x1d16 => "no agent was loaded",
        0x1d17 => "the agent does not match the authentication file",
        0x1d1d => "baud rate too high",
        0x1d21 => "agent version not supported",
        0x2001 | 0x7015 | 0x7024 => "the phone refused the agent's signature",
        0x2000 | 0x2002..=0x2006 => "authentication image refused",
        0x5a5b => "this agent is on the phone's black list",
        0x6000..=0x6005 => "secure boot check failed",
        0x7000..=0x7004 => "invalid agent region",
        0x7017 => "security: not allowed",
        _ => "not documented",
    }
}

/// Name of a 32-bit agent status.
#[must_use]
pub const fn agent(status: u32) -> &'static str {
    match status {
        0 => "done",
        0x3e8 => "stopped",
        0x3e9 => "undefined error",
        0x3ea => "invalid arguments",
        0x3eb => "storage kind not served by this command",
        0x3ec => "invalid external clock",
        0x3ed => "invalid bad-block pool size",
        0x40d => "no partition table",
        0x410 => "operation not supported",
        0x411 => "checksum error",
        0x412 => "time-out",
        0xbb8 => "internal RAM error",
        0xbb9 => "external RAM error",
        0xbba => "memory set-up failed",
        0xbbf => "external memory not switched on",
        0xbc0 => "device not found",
        0xbc1 => "NOR: unsupported device",
        0xbc2 => "NAND answers, but no offered record matches its id",
        0xbc3 => "NOR not found",
        0xbc4 => "NAND not found",
        0xbc5 => "SoC check failed",
        0xbcc => "NAND controller time-out",
        0xbcd => "in progress",
        0xbd8 => "start address out of range",
        0xbdc => "length is zero or runs past the end",
        0xbe0 => "NAND: unknown error",
        0xbe1 => "NAND: bad block",
        0xbe2 => "NAND: bit errors corrected",
        0xbe3 => "NAND: uncorrectable bit errors",
        0xbe6 => "NAND: invalid page",
        0xbe7 => "NAND controller not supported",
        0xbe8 => "NAND chip select not supported",
        0xbe9 => "NAND: 16-bit bus not supported",
        0xbfa => "not supported by this agent",
        0xc06 => "flash is blank",
        0xc0a => "chip not supported by the agent",
        0xc1d => "NAND page read failed",
        0xc25 => "read leaves its container",
        0xc26 => "end of the flash reached",
        0xc48 => "no eMMC",
        0xc4a => "no SD card",
        0x177a => "write forbidden by the phone's security configuration",
        0x177b => "read back forbidden by the phone's security configuration",
        0x177c => "format forbidden by the phone's security configuration",
        0x177e | 0x1780 | 0x1781 | 0x1783 => "area protected by the phone's security configuration",
        0x1799 => "no security record",
        _ => "not documented",
    }
}
