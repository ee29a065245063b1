//! Where and how to log.

use crate::Error;
use crate::settings::Settings;
use telemetry::{Format, Level};

/// Where and how to log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logging {
    /// The least severe level.
    pub level: Level,
    /// How lines look.
    pub format: Format,
    /// Sorted, each once, at least one.
    pub outputs: Vec<LogOutput>,
}

/// A place for log lines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogOutput {
    /// A file, appended to.
    File(String),
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere: `/dev/null` among the outputs turns off all.
    Nowhere,
}

/// Names of outputs that are no files.
const OTHER_OUTPUTS: [&str; 4] = ["default", "stderr", "stdout", "systemd/journal"];

impl Default for Logging {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Json, outputs: vec![LogOutput::Stderr] }
    }
}

impl Logging {
    /// Reads the flags about logs.
    ///
    /// # Errors
    /// As etcd (server/embed/config_logging.go).
    pub(crate) fn from_settings(settings: Settings<'_>) -> Result<Self, Error> {
        let invalid = |text: String| Err(Error::Invalid(text));
        match settings.text("logger").as_str() {
            "zap" => {}
            "capnslog" => return invalid("--logger=capnslog is removed in v3.5".to_owned()),
            other => {
                return invalid(format!("unknown logger option {}", crate::quote::quote(other)));
            }
        }
        let level = settings.text("log-level").parse::<Level>();
        let level = level.map_err(|error| Error::Invalid(error.to_string()))?;
        let format = match settings.text("log-format").as_str() {
            "json" | "" => Format::Json,
            "console" => Format::Console,
            other => {
                let known = "supported values json, console";
                return invalid(format!("unknown log format: {other}, {known}"));
            }
        };
        let names = settings.texts("log-outputs");
        let files = names.iter().filter(|name| !OTHER_OUTPUTS.contains(&name.as_str())).count();
        if settings.bool("enable-log-rotation") && files != 1 {
            return invalid(
                "--log-outputs requires a single file path when --log-rotate-config-json is defined"
                    .to_owned(),
            );
        }
        Ok(Self { level, format, outputs: outputs(&names)? })
    }
}

fn outputs(names: &[String]) -> Result<Vec<LogOutput>, Error> {
    if names.len() > 1 && names.iter().any(|name| name == "default") {
        let text = "multi logoutput for \"default\" is not supported yet";
        return Err(Error::Invalid(text.to_owned()));
    }
    if names.iter().any(|name| name == "/dev/null") {
        return Ok(vec![LogOutput::Nowhere]);
    }
    let mut outputs = Vec::new();
    for name in names {
        outputs.push(match name.as_str() {
            "default" | "stderr" => LogOutput::Stderr,
            "stdout" => LogOutput::Stdout,
            "systemd/journal" => return Err(Error::NotYet("log-outputs=systemd/journal".into())),
            path => LogOutput::File(path.to_owned()),
        });
    }
    outputs.sort();
    outputs.dedup();
    Ok(outputs)
}
