//! The kinds of things that can be recognised, and how specific each is (formats.md section 6.8).

/// What something is. [`Kind::code`] never changes between versions; [`Kind::title`] may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Download Agent container.
    DaContainer,
    /// Preloader behind a boot device header, as it lies on the medium.
    Preloader,
    /// File with a GFH chain.
    Gfh,
    /// DRAM settings inside a preloader.
    BloaderInfo,
    /// Image behind MediaTek's 512-byte header.
    MtkImage,
    /// Boot pictures.
    Logo,
    /// Android boot or recovery image.
    AndroidBoot,
    /// Android vendor_boot image.
    VendorBoot,
    /// Android sparse image.
    Sparse,
    /// Scatter file or partition listing.
    PartitionMap,
    /// Any other text.
    Text,
    /// YAFFS2 file system.
    Yaffs2,
    /// NAND pages with their spare bytes.
    NandPages,
    /// ext2, ext3 or ext4 file system.
    Ext,
    /// F2FS file system.
    F2fs,
    /// EROFS file system.
    Erofs,
    /// SquashFS file system.
    Squashfs,
    /// UBI erase blocks.
    Ubi,
    /// UBIFS nodes.
    Ubifs,
    /// FAT file system.
    Fat,
    /// GUID partition table.
    Gpt,
    /// MBR or EBR partition table.
    Mbr,
    /// MediaTek's partition table or its mirror.
    Pmt,
    /// Bad-block table.
    Bmt,
    /// MediaTek's secro area.
    Secro,
    /// Android verified boot metadata.
    Vbmeta,
    /// Footer that points at verified boot metadata.
    AvbFooter,
    /// Device tree blob.
    DeviceTree,
    /// Table of device tree overlays.
    Dtbo,
    /// Android dynamic partitions.
    Super,
    /// gzip stream.
    Gzip,
    /// ELF file.
    Elf,
    /// zlib stream.
    Zlib,
    /// ARM Linux kernel.
    Zimage,
    /// Nothing but FF.
    Erased,
    /// Nothing but 00.
    Zeroed,
    /// A dump that holds several of the above.
    Dump,
}

impl Kind {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.names().0
    }

    /// A few words for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::DaContainer => ("da-container", "Download Agent container"),
            Self::Preloader => ("preloader", "preloader with boot device header"),
            Self::Gfh => ("gfh", "MediaTek GFH file"),
            Self::BloaderInfo => ("bloader-info", "DRAM settings of a preloader"),
            Self::MtkImage => ("mtk-image", "image with MediaTek header"),
            Self::Logo => ("logo", "boot pictures"),
            Self::AndroidBoot => ("android-boot", "Android boot image"),
            Self::VendorBoot => ("vendor-boot", "Android vendor_boot image"),
            Self::Sparse => ("android-sparse", "Android sparse image"),
            Self::PartitionMap => ("partition-map", "partition map"),
            Self::Text => ("text", "text"),
            Self::Yaffs2 => ("yaffs2", "YAFFS2 file system"),
            Self::NandPages => ("nand-pages", "NAND pages with spare bytes"),
            Self::Ext => ("ext", "ext file system"),
            Self::F2fs => ("f2fs", "F2FS file system"),
            Self::Erofs => ("erofs", "EROFS file system"),
            Self::Squashfs => ("squashfs", "SquashFS file system"),
            Self::Ubi => ("ubi", "UBI erase blocks"),
            Self::Ubifs => ("ubifs", "UBIFS nodes"),
            Self::Fat => ("fat", "FAT file system"),
            Self::Gpt => ("gpt", "GUID partition table"),
            Self::Mbr => ("mbr", "MBR or EBR partition table"),
            Self::Pmt => ("pmt", "MediaTek partition table"),
            Self::Bmt => ("bmt", "bad-block table"),
            Self::Secro => ("secro", "secro area"),
            Self::Vbmeta => ("vbmeta", "verified boot metadata"),
            Self::AvbFooter => ("avb-footer", "verified boot footer"),
            Self::DeviceTree => ("device-tree", "device tree"),
            Self::Dtbo => ("dtbo", "device tree overlay table"),
            Self::Super => ("super", "dynamic partitions (super)"),
            Self::Gzip => ("gzip", "gzip stream"),
            Self::Elf => ("elf", "ELF file"),
            Self::Zlib => ("zlib", "zlib stream"),
            Self::Zimage => ("zimage", "ARM Linux kernel (zImage)"),
            Self::Erased => ("erased", "erased (FF)"),
            Self::Zeroed => ("zeroed", "zeros"),
            Self::Dump => ("dump", "dump of several parts"),
        }
    }

    /// Order among findings at one place: what says most comes first, what only wraps it last.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::NandPages => 4,
            Self::Dump => 3,
            Self::MtkImage | Self::Text | Self::Mbr => 2,
            Self::Gzip | Self::Elf | Self::Zlib | Self::Zimage => 1,
            _ => 0,
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Few bytes speak for it.
    Possible,
    /// A magic number and plausible fields.
    Likely,
    /// A long magic number, or a structure or checksum that holds.
    Certain,
}

impl Confidence {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}
