//! Seeds of what runs leave behind: recordings, records of bundles, mapfiles.

use std::time::Duration;

use bromide_capture::{About, Piece, Recording};
use bromide_job::mapfile::{Mapfile, State};
use bromide_proto::bus::{BusSpeed, Face, Sighting};
use bromide_proto::link::Direction;

use crate::Seed;

/// A recording of two appearances, and the same packets without remarks in the classic format, for usbmon and USBPcap.
pub(crate) fn capture_seeds(seeds: &mut Vec<Seed>) -> std::io::Result<()> {
    let mut to = Recording::new(Vec::new(), &About::here("seeds"))?;
    let at = Duration::from_secs(1_700_000_000);
    let seen = |face, pid| Sighting { face, vid: 0x0e8d, pid, port: "1-4.2".into(), speed: BusSpeed::Full };
    to.opened(at, &seen(Face::BootRom, 3))?;
    to.bound(at, 32768)?;
    to.bytes(at, Direction::ToPhone, &[0xa0])?;
    to.bytes(at, Direction::FromPhone, &[0x5f])?;
    to.closed(at)?;
    to.opened(at, &seen(Face::Agent, 0x2001))?;
    let piece = Piece { file: "a b/c.img".into(), at: 64, len: 2112, crc32: 7 };
    to.piece(at, Direction::FromPhone, &piece)?;
    to.note(at, "a note")?;
    seeds.push(("capture", "own".into(), to.into_inner()));
    let descriptor = vec![18, 1, 0, 2, 2, 0, 0, 64, 0x8d, 0x0e, 3, 0, 0, 1, 0, 0, 0, 1];
    for (name, link) in [("usbmon-48", 189_u32), ("usbmon-64", 220), ("usbpcap", 249)] {
        let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x4_0000, link].map(u32::to_le_bytes).concat();
        for (step, kind, endpoint, data) in
            [(b'C', 2, 0x80, &descriptor), (b'S', 3, 1, &vec![0xa0]), (b'C', 3, 0x81, &vec![0x5f])]
        {
            let length = (data.len() as u32).to_le_bytes();
            let mut packet = vec![0; if link == 189 { 48 } else { 64 }];
            packet[8..14].copy_from_slice(&[step, kind, endpoint, 5, 1, 0]);
            packet[32..36].copy_from_slice(&length);
            packet[36..40].copy_from_slice(&length);
            if link == 249 {
                packet = vec![0; 27];
                packet[0] = 27;
                packet[16..23].copy_from_slice(&[u8::from(step == b'C'), 1, 0, 5, 0, endpoint, kind]);
                packet[23..].copy_from_slice(&length);
            }
            packet.extend(data);
            file.extend(
                [1_700_000_000, 0, packet.len() as u32, packet.len() as u32].map(u32::to_le_bytes).concat(),
            );
            file.extend(packet);
        }
        seeds.push(("capture", name.into(), file));
    }
    Ok(())
}

/// A record with an image of each sort, and mapfiles of this program and of ddrescue.
pub(crate) fn bundle_seeds(seeds: &mut Vec<Seed>) {
    let whole = r#"{"name":"boot","file":"boot.img","start":"0x20000","length":131072,"addresses":"logical","flag":0,
        "bytes":135168,"sha256":"00","finished":"2026-01-02T03:04:05Z","ranges":{"bytes":1081344,"crc32":["89abcdef"]},
        "pages":{"clean":1,"correctable":2,"damaged":3,"blank":58,"in_bad_blocks":0,"not_checked":0},
        "read_twice":{"pages":64,"differed":1,"not_read_again":0}}"#;
    let begun = r#"{"name":"system","file":"system.img","start":"0x40000","length":2048,"addresses":"physical","flag":4,
        "bytes":0,"unread":[[0,2112]],"refused":"no"}"#;
    let record = format!(
        r#"{{"format":"bromide-bundle/1","tool":"bromide 0","state":"incomplete","phone":{{"chip":"MT6575","codes":"6575",
        "nand":"ad bc","geometry":[2048,64,64,64],"pool_blocks":16,"unit":""}},"agent":{{"container":"DA.bin","label":"",
        "entry":0,"format":"g2","sha256":""}},"maps":["map.json"],"images":[{whole},{begun}],"runs":[{{"command":["read"],
        "begun":"2026-01-02T03:04:05Z","ended":"2026-01-02T03:04:06Z","outcome":"done","log":"log/1"}}]}}"#
    );
    seeds.push(("bundle", "record".into(), record.into()));
    let mut map = Mapfile::new(270_336);
    map.set(0..135_168, State::Finished);
    map.set(137_280..139_392, State::Bad);
    let remarks = ["bromide read: {\"name\":\"boot\"}".to_owned()];
    seeds.push(("bundle", "mapfile".into(), map.text(&remarks).into()));
    let ddrescue = "# Mapfile. Created by GNU ddrescue version 1.27\n# current_pos  current_status  current_pass\n\
        0x00010000     /               1\n#      pos        size  status\n0x00000000  0x00010000  +\n\
        0x00010000  0200  /\n65664  0x80  *\n";
    seeds.push(("bundle", "ddrescue".into(), ddrescue.into()));
}
