//! The logger of this binary, which records what a test logs on its own thread.

use std::cell::RefCell;
use std::sync::Once;

use log::kv::{self, VisitSource};

thread_local! {
    /// The records of this thread, while recording is on.
    static RECORDS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `log` and returns the records that it logs on this thread, each as `target level message key=value…`.
///
/// The maximum level is debug. A target that begins with `silent` is disabled.
pub(crate) fn recorded(log: impl FnOnce()) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Recorder).expect("this binary sets no other logger");
        log::set_max_level(log::LevelFilter::Debug);
    });
    RECORDS.replace(Some(Vec::new()));
    log();
    RECORDS.take().expect("recording is on")
}

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        RECORDS.with_borrow(Option::is_some) && !metadata.target().starts_with("silent")
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Pairs(String);
        impl<'kvs> VisitSource<'kvs> for Pairs {
            fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut pairs = Pairs(String::new());
        record.key_values().visit(&mut pairs).expect("the visitor does not fail");
        let text = format!("{} {} {}{}", record.target(), record.level(), record.args(), pairs.0);
        RECORDS.with_borrow_mut(|records| records.iter_mut().for_each(|records| records.push(text.clone())));
    }

    fn flush(&self) {}
}
