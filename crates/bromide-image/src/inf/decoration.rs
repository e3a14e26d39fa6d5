//! Decorations of models sections and the systems they stand for (`formats.md` section 7.2).

/// Processor architectures an INF can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 32-bit PC.
    X86,
    /// 64-bit PC.
    Amd64,
    /// Itanium.
    Ia64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit ARM.
    Arm64,
}

/// A Windows system (a workstation, not a server) that looks for a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    /// Its architecture.
    pub arch: Arch,
    /// Major and minor version and build, as Windows itself counts: 10.0.19045 is a Windows 10.
    pub version: (u32, u32, u32),
}

impl System {
    /// Windows 10 and 11 on 64-bit PCs.
    pub const WINDOWS_10_X64: Self = Self { arch: Arch::Amd64, version: (10, 0, 19045) };
    /// Windows 10 on 32-bit PCs.
    pub const WINDOWS_10_X86: Self = Self { arch: Arch::X86, version: (10, 0, 19045) };

    /// The letters of the architecture in a decoration.
    pub(super) const fn letters(self) -> &'static str {
        match self.arch {
            Arch::X86 => "x86",
            Arch::Amd64 => "amd64",
            Arch::Ia64 => "ia64",
            Arch::Arm => "arm",
            Arch::Arm64 => "arm64",
        }
    }
}

/// What follows the dot in the name of a models section: `NT[arch][.[major][.[minor][.[type][.[suite][.[build]]]]]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoration {
    /// None.
    Plain,
    /// `NT..`.
    Nt {
        /// The architecture, if one is named.
        arch: Option<Arch>,
        /// The lowest major and minor version and build; 0 where not stated.
        version: (u32, u32, u32),
        /// 1 workstation, 2 domain controller, 3 server. The suite mask behind it is not kept.
        product: Option<u32>,
    },
    /// Anything else.
    Unknown,
}

impl Decoration {
    /// Reads the text behind the dot, in any case.
    pub fn parse(text: &str) -> Self {
        Self::known(&text.trim().to_ascii_lowercase()).unwrap_or(Self::Unknown)
    }

    fn known(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Plain);
        }
        let mut parts = text.strip_prefix("nt")?.split('.');
        let arch = match parts.next()? {
            "" => None,
            "x86" => Some(Arch::X86),
            "amd64" => Some(Arch::Amd64),
            "ia64" => Some(Arch::Ia64),
            "arm" => Some(Arch::Arm),
            "arm64" => Some(Arch::Arm64),
            _ => return None,
        };
        let mut number = || parts.next().map_or(Some(None), number);
        let (major, minor, product, _suite, build) = (number()?, number()?, number()?, number()?, number()?);
        let version = (major.unwrap_or(0), minor.unwrap_or(0), build.unwrap_or(0));
        parts.next().is_none().then_some(Self::Nt { arch, version, product })
    }

    /// How well a section so decorated fits a system, greater is better; nothing if Windows does not use it there.
    ///
    /// A section without architecture is for 32-bit PCs only. Of several that fit the highest version wins, then
    /// the one that names the architecture.
    pub fn fit(self, system: System) -> Option<((u32, u32, u32), u8)> {
        match self {
            Self::Plain => (system.arch == Arch::X86).then_some(((0, 0, 0), 0)),
            Self::Nt { arch, version, product } => {
                let here = arch.unwrap_or(Arch::X86) == system.arch
                    && version <= system.version
                    && product.is_none_or(|product| product == 1);
                here.then_some((version, if arch.is_some() { 2 } else { 1 }))
            }
            Self::Unknown => None,
        }
    }
}

/// Decimal, or hexadecimal with 0x; not stated where it is empty. Nothing for other text.
fn number(text: &str) -> Option<Option<u32>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.strip_prefix("0x");
    let parsed = digits.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    parsed.ok().filter(|_| !text.contains('+')).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    const X64: System = System::WINDOWS_10_X64;
    const X86: System = System::WINDOWS_10_X86;

    fn fits(text: &str) -> (bool, bool) {
        let decoration = Decoration::parse(text);
        (decoration.fit(X64).is_some(), decoration.fit(X86).is_some())
    }

    #[test]
    fn sixty_four_bit_systems_want_their_architecture_named() {
        for (text, want) in [
            ("", (false, true)),
            ("NT", (false, true)),
            ("NTx86", (false, true)),
            ("nt.5.1", (false, true)),
            ("NTamd64", (true, false)),
            ("NTAMD64.5.1", (true, false)),
            ("NTarm64", (false, false)),
            ("NTia64", (false, false)),
            ("NTamd64.6.0.3", (false, false)),
            ("NTamd64.6.0.1", (true, false)),
            ("NTamd64.10.0...16299", (true, false)),
            ("NTamd64.10.0...99999", (false, false)),
            ("NTamd64.11", (false, false)),
        ] {
            assert_eq!(fits(text), want, "{text}");
        }
    }

    #[test]
    fn the_highest_version_not_above_the_system_wins() {
        let fit = |text: &str| Decoration::parse(text).fit(X86);
        assert!(fit("NT.6.1") > fit("NTx86.5.1"));
        assert!(fit("NTx86") > fit("NT"));
        assert!(fit("NT") > fit(""));
        assert!(fit("NT.10.0...16299") > fit("NT.10.0"));
    }

    #[test]
    fn what_is_no_decoration_fits_nothing() {
        for text in ["XP", "NTmips", "NT.x", "NTx86.5.1.1.1.1.1", "NT.+5", "NT.0x", "NT.99999999999"] {
            assert_eq!(Decoration::parse(text), Decoration::Unknown, "{text}");
        }
    }
}
