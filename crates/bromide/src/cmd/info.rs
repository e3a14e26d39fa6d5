//! `info`: who is on the cable.

use bromide_image::map::Placed;
use bromide_job::error::JobError;
use bromide_job::event::{Event, Tell};
use bromide_job::follow::Follower;
use bromide_job::session::{DEFAULT_POOL, Session};
use bromide_job::source::Source as _;
use bromide_job::table::{OwnTable, own_table};
use bromide_link::{Cancel, run};
use bromide_proto::agent::{Found, Speed};
use bromide_proto::brom::Identity;
use bromide_proto::link::Link;

use crate::cli;
use crate::cmd::meet::{container, end, on_phone};
use crate::front::Front;
use crate::out;
use crate::report::Failure;
use crate::run_log;
use crate::screen::{phone_line, storage_lines};

/// `bromide info`.
pub(crate) fn info(args: cli::Info, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let cable = &args.cable;
    let da = container(cable, front)?;
    let pool = cable.manner.pool.unwrap_or(DEFAULT_POOL);
    let to_screen = matches!(front, Front::Screen(_));
    let (identity, found, speed, table) = on_phone(cable, pool, front, cancel, |bus, follow, tell| {
        let tell = &mut |event: Event<'_>| match event {
            // In text these two are results: who the phone is at once, even if no agent can be started.
            Event::Phone(identity) if to_screen => {
                run_log::hear(&event);
                out::line(phone_line(identity));
            }
            Event::Found(_) if to_screen => run_log::hear(&event),
            event => tell(event),
        };
        run(async {
            let mut phone = Follower::catch(bus, &da, follow, tell).await?;
            let speed = phone.met_at();
            let session = phone.session().ok_or(JobError::NoSession)?;
            let table = table(session, tell).await;
            let (identity, found) = (session.identity, session.found.clone());
            end(phone.into_session(), table.is_ok(), cancel, tell).await;
            Ok::<_, JobError>((identity, found, speed, table?))
        })
        .map_err(|e| Failure::of_job(&e, &cable.via))
    })?;
    match front {
        Front::Json(json) => {
            let speed = if speed == Speed::High { "high" } else { "full" };
            json.line(&serde_json::json!({
                "event": "link", "speed": speed, "agent": agent_version(&found),
                "random_id": bromide_job::agent_file::hex(&found.report.ram.random_id),
            }));
            if let Some(table) = &table {
                json.tell(&Event::OwnTable(table));
            }
            Ok(())
        }
        Front::Screen(_) => {
            let mut lines = lines(&identity, &found, speed);
            lines.extend(table.iter().flat_map(table_lines));
            out::result(&lines)
        }
    }
}

/// The phone's own partition table, which is no matter of success.
async fn table<L: Link>(session: &mut Session<L>, tell: &mut Tell<'_>) -> Result<Option<OwnTable>, JobError> {
    if session.found.report.nand.status != 0 {
        return Ok(None);
    }
    match own_table(session, tell).await {
        Err(e @ JobError::OwnTable { .. }) => {
            tell(Event::Warning(&e.to_string()));
            Ok(None)
        }
        other => other,
    }
}

fn table_lines(table: &OwnTable) -> Vec<String> {
    let partitions = &table.placement.partitions;
    let head = format!("Table   {} partitions of the phone's own ({})", partitions.len(), table.source);
    let line = |it: &Placed| format!("        {:#010x} {:#010x} {}", it.start, it.size, it.name);
    [head].into_iter().chain(partitions.iter().map(line)).collect()
}

fn lines(identity: &Identity, found: &Found, speed: Speed) -> Vec<String> {
    let mut lines = vec![
        format!("BootROM version {:02x}, boot loader {:02x}", identity.brom_version, identity.bl_version),
        format!("Agent   version {}", agent_version(found)),
        format!("Link    {}", if speed == Speed::High { "high speed" } else { "full speed" }),
    ];
    lines.extend(storage_lines(found));
    if let Some((position, record)) = &found.record {
        lines.push(format!("        record {position} of the agent's table (number {:#x})", record.index));
    }
    let ram = &found.report.ram;
    let external = if ram.external_status == 0 {
        format!("{} MiB", ram.external_size >> 20)
    } else {
        "off (not needed for reading)".to_owned()
    };
    lines.push(format!("RAM     internal {} KiB, external {external}", ram.internal_size >> 10));
    lines
}

fn agent_version(found: &Found) -> String {
    let [major, minor, chip] = found.hello;
    format!("{major}.{minor}, chip byte {chip:02x}")
}
