//! What arrives is what the chip holds, over every cable, from every phone, in every shape.

use bromide_phone::Model;

use crate::bench::{Bench, MT6575, Oracle, assert_same, main_only, spare_last};

/// A scatter file of the oldest dialect for the MT6575's partition table.
const SCATTER: &str = "PRELOADER 0x0\r\n{\r\n}\r\nRECOVERY 0x980000\r\n{\r\n}\r\nSEC_RO 0xe80000\r\n{\r\n}\r\n\
    ANDROID 0x13a0000\r\n{\r\n}\r\n__NODL_BMTPOOL 0xFFFF0050\r\n{\r\n}\r\n";

#[test]
fn a_partition_by_name_over_a_terminal_is_what_the_chip_holds() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    bench.write("proc_mtd.txt", oracle.proc_mtd());
    let phone = bench.serve("--model mt6575 --listen pty:phone.tty");
    assert_eq!(phone.at, "phone.tty");
    let read = "read recovery --map proc_mtd.txt --da g2.bin --via serial:phone.tty -o recovery.img";
    bench.run(read).good().says(&["5,406,720 bytes", "2,560 pages"]);
    let (start, length) = oracle.partition("recovery");
    assert_same(&bench.read("recovery.img"), &oracle.stored(start, length));
    assert!(bench.text("recovery.img.sha256").ends_with("  recovery.img\n"));
    assert_eq!(bench.json("recovery.img.report.json")["pages"]["total"], 2560);
    assert!(!bench.has("recovery.img.part"));
}

#[test]
fn one_served_phone_is_read_again_and_again_in_all_shapes() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    let (start, length) = (0x98_0000, 0x4_0000);
    let stored = oracle.stored(start, length);
    let _phone = bench.serve("--listen pty:phone.tty");
    for (flags, wanted) in
        [("", stored.clone()), ("--main-only", main_only(&stored)), ("--spare-last", spare_last(&stored))]
    {
        let read = "read --at 0x980000 --len 256K --da g2.bin --via serial:phone.tty --force -o piece.bin";
        bench.run(&format!("{read} {flags}")).good();
        assert_same(&bench.read("piece.bin"), &wanted);
    }
}

#[test]
fn a_scatter_name_and_its_alias_read_the_same_pages() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    bench.write("scatter.txt", SCATTER);
    let (start, length) = oracle.partition("recovery");
    let common = "--map scatter.txt --da g2.bin --via phone:mt6575";
    bench.run(&format!("read RECOVERY {common} -o by-name.img")).good();
    bench.run(&format!("read recovery {common}")).good();
    assert_same(&bench.read("by-name.img"), &oracle.stored(start, length));
    assert_same(&bench.read("recovery.img"), &bench.read("by-name.img"));
    bench.run(&format!("read secro {common}")).good().says(&["SEC_RO"]);
    assert_same(&bench.read("secro.img"), &oracle.stored(0xe8_0000, 0x13a_0000 - 0xe8_0000));
}

#[test]
fn an_old_agent_behind_a_preloader_is_read_over_tcp() {
    let (bench, oracle) = (Bench::new(), Oracle::builtin("mt6575"));
    let phone = bench.serve("--listen tcp:127.0.0.1:0 --with boot=preloader");
    let at = &phone.at;
    bench
        .run(&format!("read --at 0x980000 --len 0x40000 --da g1.bin --via tcp:{at} -o piece.bin"))
        .good()
        .says(&["in its preloader", "wire format g1"]);
    assert_same(&bench.read("piece.bin"), &oracle.stored(0x98_0000, 0x4_0000));
}

#[test]
fn every_phone_reads_with_every_agent_from_every_start() {
    let bench = Bench::new();
    for model in ["mt6575", "mt6577"] {
        let oracle = Oracle::builtin(model);
        let (start, _) = oracle.partition("recovery");
        let stored = oracle.stored(start, 0x2_0000);
        for agent in ["g1", "g2"] {
            for boot in ["bootrom", "preloader"] {
                let via = format!("phone:{model}?boot={boot}");
                let read = format!("read --at {start:#x} --len 0x20000 --da {agent}.bin --via {via}");
                let name = model.to_uppercase();
                bench.run(&format!("{read} --force -o piece.bin")).good().says(&[&name, agent]);
                assert_same(&bench.read("piece.bin"), &stored);
            }
        }
    }
}

#[test]
fn another_seed_is_another_chip_and_packets_of_any_size_give_the_same_bytes() {
    let bench = Bench::new();
    let oracle = Oracle::new(Model::builtin("mt6575").unwrap(), 99);
    for pages in [1, 7, 1024] {
        let read =
            "read --at 0x980000 --len 0x20000 --da g2.bin --via phone:mt6575?seed=99 --force -o piece.bin";
        bench.run(&format!("{read} --packet-pages {pages}")).good();
        assert_same(&bench.read("piece.bin"), &oracle.stored(0x98_0000, 0x2_0000));
    }
}

#[test]
fn physical_and_logical_differ_in_the_replaced_block_only() {
    let bench = Bench::new();
    // The second block of `system` is bad here, and replaced: in the file of the model it is one without pages.
    let text = MT6575
        .replace("bad_blocks = [1000,", "bad_blocks = [158,")
        .replace("{ bad = 1000, by = 4016 }", "{ bad = 158, by = 4016 }");
    assert_ne!(text, MT6575);
    bench.write("own.toml", &text);
    let oracle = Oracle::new(Model::from_toml(&text).unwrap(), 7);
    let (block, length) = (0x2_0000, 3 * 0x2_0000);
    let start = oracle.partition("system").0;
    assert_eq!(start / block, 157);
    let read = format!("read --at {start:#x} --len {length:#x} --da g2.bin --via phone:own.toml");
    bench.run(&format!("{read} -o logical.bin")).good();
    bench.run(&format!("{read} --physical -o physical.bin")).good().says(&["64 in bad blocks"]);
    let (logical, physical) = (bench.read("logical.bin"), bench.read("physical.bin"));
    assert_same(&logical, &oracle.stored(start, length));
    assert_same(&physical, &oracle.physical(start, length));
    let differ = |n: usize| logical[n * 64 * 2112..][..64 * 2112] != physical[n * 64 * 2112..][..64 * 2112];
    assert_eq!([differ(0), differ(1), differ(2)], [false, true, false]);
    assert_eq!(bench.json("logical.bin.report.json")["replaced_blocks"][0]["stands_for"], 158);
    assert_eq!(bench.json("physical.bin.report.json")["bad_blocks"][0]["block"], 158);
}

/// The MT6575 with small partitions, so that all of them are soon read.
fn small() -> String {
    let (head, rest) = MT6575.split_at(MT6575.find("[[partition]]").unwrap());
    let agents = &rest[rest.find("# Digests").unwrap()..];
    let line = |(name, bytes)| format!("[[partition]]\nname = \"{name}\"\nbytes = {bytes:#x}\n");
    let partitions = [("preloader", 0x4_0000), ("logo", 0x2_0000), ("system", 0x6_0000)].map(line).concat();
    format!("{head}{partitions}{agents}")
}

#[test]
fn a_phone_with_a_partition_table_is_read_without_a_map() {
    let bench = Bench::new();
    bench.write("small.toml", small());
    let model = Model::from_toml(&small()).unwrap();
    let oracle = Oracle::new(model, 7);
    for (keys, from) in [("pmt=yes", "(PMT, by A2)"), ("pmt=pages", "(PMT, found in its pages)")] {
        let read = format!("read --all --force --da g2.bin --via phone:small.toml?{keys} -o dump");
        bench.run(&read).good().says(&["Table   3 partitions from the phone's own partition table", from]);
        for it in oracle.model.partitions() {
            assert_same(&bench.read(&format!("dump/{}.img", it.name)), &oracle.stored(it.start, it.bytes));
        }
        bench.run("read ANDROID --da g2.bin --via phone:small.toml?pmt=yes --force -o one.img").good();
        assert_same(&bench.read("one.img"), &bench.read("dump/system.img"));
    }
    bench.write("rows.csv", "part.img,0,system\n");
    bench.run("read-list rows.csv --da g2.bin --via phone:small.toml?pmt=yes -o rows").good();
    assert_same(&bench.read("rows/part.img"), &bench.read("dump/system.img"));
}

#[test]
fn a_map_that_differs_from_the_phones_own_table_is_followed_with_a_warning() {
    let bench = Bench::new();
    bench.write("small.toml", small());
    bench.write("map.txt", "mtd0: 00020000 00020000 \"preloader\"\nmtd1: 00040000 00020000 \"logo\"\n");
    let read = "read logo --map map.txt --da g2.bin --via phone:small.toml?pmt=yes -o logo.img";
    bench.run(read).good().says(&["Warning", "differs from the map", "The map is followed"]);
    let oracle = Oracle::new(Model::from_toml(&small()).unwrap(), 7);
    assert_same(&bench.read("logo.img"), &oracle.stored(0x2_0000, 0x4_0000));
}
