//! `info`: who is on the cable.

use bromide_job::error::JobError;
use bromide_job::event::Event;
use bromide_job::session::{DEFAULT_POOL, Session};
use bromide_link::{Cancel, run};
use bromide_proto::agent::{Exit, Found, Speed};

use crate::cli;
use crate::cmd::read::{prepare, session_options};
use crate::front::Front;
use crate::report::Failure;
use crate::screen::{phone_line, storage_lines};

/// `bromide info`.
pub(crate) fn info(args: cli::Info, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let cable = &args.cable;
    let (da, link) = prepare(cable, front, cancel)?;
    let options = session_options(cable, cable.pool.unwrap_or(DEFAULT_POOL));
    let tell = &mut |event: Event<'_>| match event {
        // On a terminal these are the result, printed below.
        Event::Phone(_) | Event::Found(_) if matches!(front, Front::Screen(_)) => {}
        event => front.tell(&event),
    };
    let (identity, found, speed) = run(async {
        let mut session = Session::begin(link, &da, &options, tell).await?;
        let speed = session.agent().speed().await.map_err(JobError::Talk)?;
        let (identity, found) = (session.identity, session.found.clone());
        session.finish(Exit::PowerOff, tell).await;
        Ok::<_, JobError>((identity, found, speed))
    })
    .map_err(|e| Failure::of_job(&e, &cable.via))?;
    match front {
        Front::Json(json) => {
            let speed = if speed == Speed::High { "high" } else { "full" };
            json.line(&serde_json::json!({
                "event": "link", "speed": speed, "agent": agent_version(&found),
                "random_id": bromide_job::agent_file::hex(&found.report.ram.random_id),
            }));
        }
        Front::Screen(_) => {
            println!("{}", phone_line(&identity));
            println!(
                "BootROM version {:02x}, boot loader {:02x}",
                identity.brom_version, identity.bl_version
            );
            println!("Agent   version {}", agent_version(&found));
            println!("Link    {}", if speed == Speed::High { "high speed" } else { "full speed" });
            for line in storage_lines(&found) {
                println!("{line}");
            }
            if let Some((position, record)) = &found.record {
                println!("        record {position} of the agent's table (number {:#x})", record.index);
            }
            let ram = &found.report.ram;
            let external = if ram.external_status == 0 {
                format!("{} MiB", ram.external_size >> 20)
            } else {
                "off (not needed for reading)".to_owned()
            };
            println!("RAM     internal {} KiB, external {external}", ram.internal_size >> 10);
        }
    }
    Ok(())
}

fn agent_version(found: &Found) -> String {
    let [major, minor, chip] = found.hello;
    format!("{major}.{minor}, chip byte {chip:02x}")
}
