//! The driver: runs targets for a time, says how often, and keeps what it finds.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fuzz::engine::{Finding, Fuzzer, catch_panics, replay};
use fuzz::target::Target;
use fuzz::targets;

const USAGE: &str = "fuzz TARGET | --all | --list
    --seconds N     how long each target runs (60)
    --seed S        where its inputs begin (1)
    --findings DIR  where inputs that found something go (target/fuzz)
    --record FILE   write each input there before it is taken: for a process that dies of one
    --replay FILE   take this input alone";

/// An input that is not done after so many looks, a second apart, never ends.
const LOOKS_MAX: u32 = 60;
/// How often it is looked whether the time is over.
const TURN: u64 = 16;
/// After how many findings a target is left.
const FINDINGS_MAX: usize = 5;

struct Options {
    targets: Vec<&'static Target>,
    seconds: u64,
    seed: u64,
    findings: PathBuf,
    record: Option<PathBuf>,
    replay: Option<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        targets: Vec::new(),
        seconds: 60,
        seed: 1,
        findings: PathBuf::from("target/fuzz"),
        record: None,
        replay: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match argument.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--findings" => options.findings = value()?.into(),
            "--record" => options.record = Some(value()?.into()),
            "--replay" => options.replay = Some(value()?.into()),
            "--all" => options.targets = targets::all().collect(),
            "--list" => {
                targets::all().for_each(|target| println!("{}", target.name));
                std::process::exit(0);
            }
            name => {
                let named = targets::all().find(|target| target.name == name);
                options.targets.push(named.ok_or(format!("there is no {name}\n{USAGE}"))?);
            }
        }
    }
    if options.targets.is_empty() { Err(USAGE.to_owned()) } else { Ok(options) }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    if let Some(code) = with_one_arena() {
        return code;
    }
    catch_panics();
    if let Some(path) = &options.replay {
        return replay_file(options.targets[0], path);
    }
    let findings: usize = options.targets.iter().map(|target| run(target, &options)).sum();
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Goes on in a process whose threads allocate from one place: else each thread that begins takes so
/// much address space that nothing else shows.
fn with_one_arena() -> Option<ExitCode> {
    const ARENAS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(ARENAS).is_some() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let error = Command::new(program).args(std::env::args_os().skip(1)).env(ARENAS, "1").exec();
    eprintln!("begin anew: {error}");
    Some(ExitCode::from(2))
}

fn replay_file(target: &Target, path: &PathBuf) -> ExitCode {
    let input = match std::fs::read(path) {
        Ok(input) => input,
        Err(error) => {
            eprintln!("read {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    match replay(target, &input) {
        Ok(_) => {
            println!("{}: nothing wrong", target.name);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            println!("{}: {fault}", target.name);
            ExitCode::FAILURE
        }
    }
}

/// Runs a target for its time; gives how many findings there were.
fn run(target: &'static Target, options: &Options) -> usize {
    let begin = Instant::now();
    let time = Duration::from_secs(options.seconds);
    let mut fuzzer = Fuzzer::new(target, options.seed);
    let watchdog = Watchdog::start(target, options.findings.clone());
    let mut findings = 0;
    while findings < FINDINGS_MAX {
        if fuzzer.executions().is_multiple_of(TURN) && begin.elapsed() >= time {
            break;
        }
        let input = fuzzer.next_input();
        if let Some(path) = &options.record {
            std::fs::write(path, &input).expect("the record can be written");
        }
        watchdog.begin(&input);
        match fuzzer.take(input) {
            Ok(suspects) => findings += suspects_found(target, options, suspects),
            Err(finding) => {
                findings += 1;
                report(target, options, &finding);
            }
        }
    }
    watchdog.end();
    println!(
        "{:24} {:>11} inputs, {:>6} ways, {:>3} s, slowest {:?}, {findings} findings",
        target.name,
        fuzzer.executions(),
        fuzzer.ways(),
        begin.elapsed().as_secs(),
        fuzzer.slowest(),
    );
    findings
}

/// Which of these inputs made the memory grow is told by processes of their own.
fn suspects_found(target: &Target, options: &Options, suspects: Vec<Vec<u8>>) -> usize {
    let Ok(program) = std::env::current_exe() else { return 0 };
    let mut found = 0;
    for (number, input) in suspects.into_iter().enumerate() {
        let path = options.findings.join(format!("{}-suspect-{number}", target.name));
        write(&path, &input);
        let replayed = Command::new(&program).args([target.name, "--replay"]).arg(&path).output();
        if replayed.is_ok_and(|output| output.status.success()) {
            // It was not this one.
            let _ = std::fs::remove_file(&path);
        } else {
            found += 1;
            println!("{}: memory: {}", target.name, path.display());
        }
    }
    found
}

fn report(target: &Target, options: &Options, finding: &Finding) {
    let name = format!("{}-{:08x}", target.name, crc32c::crc32c(&finding.input));
    let path = options.findings.join(name);
    write(&path, &finding.input);
    println!("{}: {}", target.name, finding.fault);
    println!("    take it again: fuzz {} --replay {}", target.name, path.display());
}

fn write(path: &PathBuf, input: &[u8]) {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = folder.and_then(|()| std::fs::write(path, input)) {
        eprintln!("write {}: {error}", path.display());
    }
}

/// Ends the process when an input never ends.
struct Watchdog {
    begun: Arc<AtomicU64>,
    input: Arc<Mutex<Vec<u8>>>,
}

impl Watchdog {
    fn start(target: &'static Target, findings: PathBuf) -> Self {
        let (begun, input) = (Arc::new(AtomicU64::new(1)), Arc::new(Mutex::new(Vec::new())));
        let watchdog = Self { begun: Arc::clone(&begun), input: Arc::clone(&input) };
        std::thread::spawn(move || {
            let (mut last, mut looks) = (0, 0);
            loop {
                // A process that was stopped does not look meanwhile.
                std::thread::sleep(Duration::from_secs(1));
                let now = begun.load(Ordering::Relaxed);
                if now == 0 {
                    return;
                }
                looks = if now == last { looks + 1 } else { 0 };
                last = now;
                if looks >= LOOKS_MAX {
                    let path = findings.join(format!("{}-endless", target.name));
                    write(&path, &input.lock().expect("nobody panics with it"));
                    println!("{}: does not end: {}", target.name, path.display());
                    std::process::exit(1);
                }
            }
        });
        watchdog
    }

    fn begin(&self, input: &[u8]) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.input.lock().expect("nobody panics with it");
        kept.clear();
        kept.extend_from_slice(input);
    }

    fn end(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }
}
