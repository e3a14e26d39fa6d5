//! Plain numbers of the protocols, shared by the host's codecs and the virtual phone.
//!
//! Only constants live here: the virtual phone may use this module and [`crate::link`], nothing else of this
//! crate, so that host and phone cannot share one misunderstanding.
//! Sources: `spec/brom-preloader.md` sections 3-5, `spec/da-legacy.md` sections 0 and 12,
//! `spec/da-legacy-device.md` section 10.

/// BootROM and preloader commands (`brom-preloader.md` section 4).
pub mod brom {
    /// Start sequence the host sends, one byte at a time.
    pub const START: [u8; 4] = [0xa0, 0x0a, 0x50, 0x05];
    /// read16, old form without status words (MT6573).
    pub const READ16_OLD: u8 = 0xa2;
    /// read16.
    pub const READ16: u8 = 0xd0;
    /// read32.
    pub const READ32: u8 = 0xd1;
    /// write16.
    pub const WRITE16: u8 = 0xd2;
    /// write32.
    pub const WRITE32: u8 = 0xd4;
    /// jump to the loaded Download Agent.
    pub const JUMP_DA: u8 = 0xd5;
    /// announce and upload a Download Agent.
    pub const SEND_DA: u8 = 0xd7;
    /// security configuration.
    pub const GET_TARGET_CONFIG: u8 = 0xd8;
    /// chip identity, length-prefixed.
    pub const GET_ME_ID: u8 = 0xe1;
    /// sub code, hardware version, software version.
    pub const GET_HW_SW_VER: u8 = 0xfc;
    /// hardware code.
    pub const GET_HW_CODE: u8 = 0xfd;
    /// boot loader version; FE comes back from the BootROM.
    pub const GET_BL_VER: u8 = 0xfe;
    /// BootROM version; FF comes back from a preloader.
    pub const GET_VERSION: u8 = 0xff;
}

/// Download Agent answers and commands (`da-legacy.md` sections 0 and 8).
pub mod da {
    /// Yes / accept.
    pub const ACK: u8 = 0x5a;
    /// No; usually followed by a 32-bit status.
    pub const NACK: u8 = 0xa5;
    /// Go on / send the same packet again.
    pub const CONT: u8 = 0x69;
    /// Stop.
    pub const STOP: u8 = 0x96;
    /// First byte of a started agent.
    pub const SYNC: u8 = 0xc0;
    /// SoC check passed.
    pub const SOC_OK: u8 = 0xc1;
    /// SoC check failed; the agent halts.
    pub const SOC_FAIL: u8 = 0xcf;
    /// NAND read back.
    pub const NAND_READ: u8 = 0xdf;
    /// Link speed query.
    pub const USB_STATUS: u8 = 0x72;
    /// Switch to high speed.
    pub const USB_SETUP: u8 = 0x70;
    /// Partition table (PMT) of a NAND phone.
    pub const PARTITION_TABLE: u8 = 0xa2;
    /// Finish.
    pub const FINISH: u8 = 0xd9;
    /// FAT information; the G1 host sends it before a read.
    pub const FAT_INFO: u8 = 0xf0;
}

/// A Download Agent made by the demo carries this text, then `g1` or `g2`, in its region 1.
///
/// It is no program: only a virtual phone accepts it, and the host refuses to send it to anything else.
pub const DEMO_AGENT_MARKER: &[u8] = b"BROMIDE DEMO AGENT FOR VIRTUAL PHONES ONLY ";

/// How a virtual phone is told from a real one without any command of its own: it answers the harmless
/// 16-bit reads (D0) of the last two words of the watchdog block, which the vendor host reads too
/// (`da-legacy-observed.md` section 2, step 8), with these values. Pairs of (address, value).
pub const VIRTUAL_WATERMARK: [(u32, u16); 2] = [(0xc000_0014, 0xb20d), (0xc000_0018, 0x171d)];
