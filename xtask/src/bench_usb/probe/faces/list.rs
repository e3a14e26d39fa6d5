//! A phone's faces over time: `2000:700,gap:300,0003:*` is 0e8d:2000 for 0.7 s, nothing for 0.3 s, 0e8d:0003 for good.

use std::time::Duration;

/// One stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A product id, and how long after its attaching it leaves; `None`: never.
    Face(u16, Option<Duration>),
    /// Nothing is on the bus.
    Gap(Duration),
}

/// Reads a list; what comes after a face that stays would never be reached, and is refused.
pub(crate) fn parse(list: &str) -> Result<Vec<Step>, String> {
    let steps: Vec<Step> = list.split(',').map(step).collect::<Result<_, _>>()?;
    match steps.iter().position(|step| matches!(step, Step::Face(_, None))) {
        Some(at) if at + 1 < steps.len() => Err(format!("{list}: nothing can come after \"*\"")),
        _ => Ok(steps),
    }
}

fn step(word: &str) -> Result<Step, String> {
    let (what, time) = word.split_once(':').ok_or_else(|| format!("\"{word}\" is no PID:MS or gap:MS"))?;
    let milliseconds =
        || time.parse().map(Duration::from_millis).map_err(|_| format!("{word}: {time} is no time"));
    match (what, time) {
        ("gap", _) => milliseconds().map(Step::Gap),
        (pid, time) => {
            let digits = pid.len() == 4 && pid.bytes().all(|b| b.is_ascii_hexdigit());
            let pid = u16::from_str_radix(pid, 16).ok().filter(|_| digits);
            let pid = pid.ok_or_else(|| format!("{word}: a product id is four hexadecimal digits"))?;
            let stay = if time == "*" { None } else { Some(milliseconds()?) };
            Ok(Step::Face(pid, stay))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_and_gaps_come_in_order_and_the_last_may_stay() {
        let ms = Duration::from_millis;
        let steps = [Step::Face(0x2000, Some(ms(700))), Step::Gap(ms(300)), Step::Face(3, None)];
        assert_eq!(parse("2000:700,gap:300,0003:*"), Ok(steps.to_vec()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for list in
            ["", "2000", "2000:", "20000:1", "+200:1", "3:1", "gap:*", "2000:-1", "2000:1,", "0003:*,gap:1"]
        {
            assert!(parse(list).is_err(), "{list}");
        }
    }
}
