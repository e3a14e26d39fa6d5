//! Looks at everything in a tree of files, in bounds.

use bromide_image::files::{Files, Walk};

/// Most objects looked at.
const MOST: usize = 300;

pub fn touch(files: &dyn Files) {
    let mut buffer = [0; 3000];
    for step in Walk::new(files, files.root(), b"").take(MOST).flatten() {
        let entry = step.entry;
        assert!(!entry.name.is_empty() && !entry.name.contains(&0));
        if let Ok(again) = files.entry(entry.id) {
            assert_eq!((again.id, again.size), (entry.id, entry.size));
        }
        let _ = files.xattrs(entry.id);
        let _ = files.caution(entry.id);
        if let Ok(target) = files.target(entry.id) {
            assert!(target.len() <= 4096);
        }
        for at in [0, 700, entry.size / 2, entry.size.saturating_sub(9), u64::MAX] {
            if let Ok(len) = files.read(entry.id, at, &mut buffer) {
                assert!(len as u64 <= entry.size.saturating_sub(at));
            }
        }
        let mut at = 0;
        for _ in 0..20 {
            let Ok(Some(run)) = files.stored(entry.id, at) else { break };
            assert!(run.start >= at && run.end > run.start && run.end <= entry.size);
            at = run.end;
        }
    }
    for doubt in files.doubts() {
        assert!(!doubt.is_empty());
    }
}
