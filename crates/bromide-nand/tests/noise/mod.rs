//! Reproducible wrong bits.

/// A sector as stored: 512 data bytes, 16 spare bytes.
pub(crate) type Sector = ([u8; 512], [u8; 16]);

/// Reproducible noise (xorshift64).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `count` different bits of the 4212 under the code.
    pub(crate) fn bits(&mut self, count: usize) -> Vec<u64> {
        let mut bits = Vec::new();
        while bits.len() < count {
            let bit = self.next() % 4212;
            if !bits.contains(&bit) {
                bits.push(bit);
            }
        }
        bits
    }
}

pub(crate) fn flip((data, spare): &mut Sector, bits: &[u64]) {
    for bit in bits {
        let byte = usize::try_from(bit / 8).unwrap();
        let mask = 1 << (bit % 8);
        if byte < 512 { data[byte] ^= mask } else { spare[byte - 512] ^= mask }
    }
}
