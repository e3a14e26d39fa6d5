//! The record a read keeps of itself in its folder: a bundle, or none.

use std::path::{Path, PathBuf};

use bromide_job::bundle::{Agent, Beginning, Bundle, Record, Whole};
use bromide_job::error::JobError;
use bromide_job::phone_id::PhoneId;
use bromide_job::session::Session;
use bromide_job::table::Planned;
use bromide_log::{utc_now, words};
use bromide_proto::link::Link;

use crate::cli::Cable;
use crate::cmd::read::Job;
use crate::cmd::resume::way;
use crate::report::Failure;
use crate::run_log;

/// Who keeps account.
pub(crate) enum Account {
    /// Nobody: single files speak for themselves.
    None,
    Bundle {
        folder: PathBuf,
        /// The agent's container as it was named.
        container: PathBuf,
        bundle: Box<Bundle>,
    },
}

impl Account {
    /// Takes the folder of a bundle, and the log into it.
    pub(crate) fn open(job: &Job, cable: &Cable) -> Result<Self, Failure> {
        let Some(folder) = job.folder.as_ref().filter(|_| job.bundle) else { return Ok(Self::None) };
        let command = if run_log::redacts() { Vec::new() } else { words(std::env::args_os()) };
        let bundle = Bundle::open(folder, job.options.force, &command, utc_now)
            .map_err(|e| Failure::of_job(&e.into(), &cable.via))?;
        run_log::in_bundle(folder);
        Ok(Self::Bundle { folder: folder.clone(), container: cable.da.clone(), bundle: Box::new(bundle) })
    }

    /// The folder, if every file of it is there already as `job` wants it, those of `targets` among them.
    pub(crate) fn is_whole_already(&self, targets: &[PathBuf], job: &Job) -> Option<&Path> {
        let Self::Bundle { folder, bundle, .. } = self else { return None };
        let record = bundle.record().filter(|record| record.state == Whole::Whole)?;
        let there = |name: &str, bytes: u64| {
            folder.join(name).metadata().is_ok_and(|found| found.is_file() && found.len() == bytes)
        };
        let all = record.images.iter().all(|image| there(&image.file, image.bytes));
        let known = |target: &PathBuf| has_file(record, target);
        // Read another way it would be other files.
        let way = way(record, folder).ok();
        let as_wished = job.wishes.iter().all(|wish| way == Some((wish.shape, wish.kind)));
        (all && as_wished && targets.iter().all(known)).then_some(folder.as_path())
    }

    /// Makes durable what an earlier run may only have begun to.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        let Self::Bundle { bundle, .. } = self else { return Ok(()) };
        bundle.settle().map_err(|e| Failure::of_bundle(&e))
    }

    /// The phone is there, and what is going to be read is known.
    pub(crate) fn begin<L: Link>(&mut self, session: &Session<L>, planned: &Planned) -> Result<(), JobError> {
        let Self::Bundle { folder, container, bundle } = self else { return Ok(()) };
        let geometry = session.geometry()?;
        let phone = PhoneId::of(&session.identity, &session.found, &geometry, session.pool_blocks);
        let chosen = &session.chosen;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let agent = Agent {
            container: container.file_name().map(|name| text(Path::new(name))).unwrap_or_default(),
            path: (!run_log::redacts()).then(|| text(container)),
            label: chosen.label.clone(),
            entry: chosen.entry,
            format: chosen.format.to_string(),
            sha256: chosen.sha256.clone(),
        };
        if let Some(log) = run_log::folder().and_then(|log| log.strip_prefix(&*folder).ok()) {
            bundle.logged_in(&text(log));
        }
        let beginning = Beginning { agent, map: planned.map.clone() };
        Ok(bundle.begin(&phone, &planned.rows, &beginning)?)
    }

    /// The run is over, well or not.
    pub(crate) fn end<T>(&mut self, ended: &Result<T, Failure>) -> Result<(), Failure> {
        let Self::Bundle { bundle, .. } = self else { return Ok(()) };
        let outcome = match ended {
            Ok(_) => "done",
            Err(failure) => failure.what.as_str(),
        };
        bundle.end(outcome).map_err(|e| {
            Failure::new(e.code(), crate::report::exit::FAILED, e.to_string(), "repeat the command")
        })
    }
}

fn has_file(record: &Record, target: &Path) -> bool {
    record.images.iter().any(|image| target.file_name().is_some_and(|name| name == image.file.as_str()))
}
