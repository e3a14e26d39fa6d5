//! Any bytes as an INF: no text is too odd to be asked what it would install, and what is found says why.
#![no_main]

use bromide_image::inf::{Inf, Query, System, Text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = Text::decode(data);
    let Ok(inf) = Inf::parse(&text) else { return };
    let query = Query { vid: 0x0e8d, pid: 0x2000, rev: None, mi: None };
    let matches = inf.matches(&query);
    assert!(matches.windows(2).all(|pair| pair[0].rank() <= pair[1].rank()));
    for found in &matches {
        assert_eq!(found.id.fit(&query), Some(found.conditions));
    }
    for system in [System::WINDOWS_10_X64, System::WINDOWS_10_X86] {
        let Some(used) = inf.used(&matches, system) else { continue };
        assert!(used.conditions.none() && used.models.decoration.fit(system).is_some());
        let _ = (inf.description(used.model), inf.install(used.model, system));
    }
});
