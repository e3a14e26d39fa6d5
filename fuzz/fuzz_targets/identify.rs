//! Any bytes as a file to identify: findings that lie inside it, in order.
#![no_main]

use bromide_image::identify::identify;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(found) = identify(&data) else { panic!("a slice can always be read") };
    assert!(found.findings.is_sorted_by_key(|it| it.offset));
    for finding in &found.findings {
        assert!(finding.offset < found.data_bytes);
        let _ = finding.kind.title();
        for (_, value) in &finding.details {
            assert!(!value.to_string().contains('\0'));
        }
    }
});
