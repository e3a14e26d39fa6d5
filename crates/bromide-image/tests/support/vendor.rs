//! What the vendor's library (tool v3.1113.0.189) was observed to say to small scatter files (formats.md section 2.1,
//! table of observations), and what the parser of this crate says to the same bytes.

/// What this crate says.
#[derive(Clone, Copy)]
pub(crate) enum Ours {
    /// It reads that many partitions.
    Takes(usize),
    /// It refuses in these words.
    Refuses(&'static str),
}

/// One small file and both verdicts.
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    /// Return code of the library; "0" is accepted.
    pub(crate) vendor: &'static str,
    pub(crate) ours: Ours,
}

const fn row(name: &'static str, text: &'static str, vendor: &'static str, ours: Ours) -> Verdict {
    Verdict { name, text, vendor, ours }
}

pub(crate) const VERDICTS: &[Verdict] = &[
    row("min", "PRELOADER 0x0\n{\n}\n", "0", Ours::Takes(1)),
    row("min_crlf", "PRELOADER 0x0\r\n{\r\n}\r\n", "0", Ours::Takes(1)),
    row("noeol", "PRELOADER 0x0\n{\n}", "0", Ours::Takes(1)),
    row("tab", "PRELOADER\t0x0\n{\n}\n\nDSP_BL   0x40000\n{\n}\n", "0", Ours::Takes(2)),
    row("hex0X", "PRELOADER 0X0\n{\n}\nDSP_BL 0X40000\n{\n}\n", "0", Ours::Takes(2)),
    row("bom", "\u{feff}PRELOADER 0x0\n{\n}\n", "0", Ours::Takes(1)),
    row("unknown", "PRELOADER 0x0\n{\n}\nFOOBAR 0x40000\n{\n}\n", "0", Ours::Takes(2)),
    row("lower", "preloader 0x0\n{\n}\nsystem 0x40000\n{\n}\n", "0", Ours::Takes(2)),
    row("dup", "PRELOADER 0x0\n{\n}\nPRELOADER 0x40000\n{\n}\n", "0", Ours::Takes(2)),
    row("brace1", "PRELOADER 0x0 {\n}\n", "4023", Ours::Takes(1)),
    row(
        "body",
        "PRELOADER 0x0\n{\n foo bar\n}\n",
        "4023",
        Ours::Refuses("line 3, column 2: expected } (nothing stands between the braces), found \"foo\""),
    ),
    row("comment", "# hello\nPRELOADER 0x0\n{\n}\n", "4023", Ours::Takes(1)),
    row("empty", "", "4023", Ours::Refuses("line 1, column 1: the file names no partition")),
    row(
        "dec",
        "PRELOADER 0\n{\n}\nDSP_BL 262144\n{\n}\n",
        "5011",
        Ours::Refuses(
            "line 1, column 11: \"0\" is not a hexadecimal number as a scatter file has it (0x12700000)",
        ),
    ),
    row(
        "unal",
        "PRELOADER 0x0\n{\n}\nDSP_BL 0x40001\n{\n}\n",
        "5012",
        Ours::Refuses("line 4, column 8: 0x40001 is not word aligned"),
    ),
    row(
        "desc",
        "PRELOADER 0x40000\n{\n}\nDSP_BL 0x0\n{\n}\n",
        "5014",
        Ours::Refuses("line 4, column 8: DSP_BL at 0x0 does not come after PRELOADER at 0x40000 (line 1)"),
    ),
    row("noplat", "PRELOADER 0x0\n{\n}\n", "crash", Ours::Takes(1)),
];
