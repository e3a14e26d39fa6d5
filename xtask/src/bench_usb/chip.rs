//! The chip of the bench's phone, made once for all jobs, and the map that names its partitions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bromide_phone::{Factory, Filling, Model, NandChip, stored_page};

/// What every phone of the bench is.
const MODEL: &str = "mt6575";
/// Partitions that hold something, whole, in short runs.
const FILLED: [&str; 2] = ["boot", "recovery"];
/// More of them in full runs.
const FILLED_TOO: [&str; 1] = ["system"];

/// Builds the chip in a new file.
pub(crate) fn build(path: &Path, full: bool) -> Result<(), String> {
    let model = Model::builtin(MODEL).map_err(|e| e.to_string())?;
    let chip = NandChip::open(&model.nand, path).map_err(|e| e.to_string())?;
    let mut factory = Factory::new(&model, chip).map_err(|e| e.to_string())?;
    let more = if full { FILLED_TOO.as_slice() } else { &[] };
    for partition in FILLED.iter().chain(more) {
        factory.fill(partition, u32::MAX, Filling::default()).map_err(|e| e.to_string())?;
    }
    factory.finish().map(drop).map_err(|e| e.to_string())
}

/// The partitions as `/proc/mtd` of the running phone names them.
pub(crate) fn map() -> Result<String, String> {
    let model = Model::builtin(MODEL).map_err(|e| e.to_string())?;
    let block = model.nand.block_main_bytes();
    let mut text = String::from("dev:    size   erasesize  name\n");
    for (number, partition) in model.partitions().iter().enumerate() {
        let (bytes, name) = (partition.bytes, &partition.name);
        writeln!(text, "mtd{number}: {bytes:08x} {block:08x} \"{name}\"").map_err(|e| e.to_string())?;
    }
    Ok(text)
}

/// The digest of what a read back of a partition must give, from the chip and the model's replaced blocks.
pub(crate) fn digest(path: &Path, partition: &str) -> Result<String, String> {
    let model = Model::builtin(MODEL).map_err(|e| e.to_string())?;
    let chip = NandChip::open(&model.nand, path).map_err(|e| e.to_string())?;
    let share = model.partition(partition).ok_or_else(|| format!("no partition {partition}"))?;
    let page = u64::from(model.nand.page_bytes);
    let failed = |e: std::io::Error| format!("sha256sum: {e}");
    let mut sum = Command::new("sha256sum");
    let mut child = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut input = std::io::BufWriter::with_capacity(1 << 20, child.stdin.take().ok_or("no pipe")?);
    for number in share.start / page..(share.start + share.bytes) / page {
        let stored = stored_page(&model, &chip, number as u32).map_err(|e| e.to_string())?;
        input.write_all(&stored).map_err(failed)?;
    }
    input.flush().map_err(failed)?;
    drop(input);
    let said = child.wait_with_output().map_err(failed)?.stdout;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
