//! The logger of this binary: it keeps what a test logs on its own thread, for that test.

use std::cell::RefCell;
use std::sync::Once;

use log::kv::{self, VisitSource};

thread_local! {
    /// What this thread has logged, while it is recorded.
    static RECORDS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// What `log` logs on this thread, each record in a line: target, level, message, key-values.
///
/// Levels go up to debug, and a target that begins with `silent` is switched off.
pub(crate) fn recorded(log: impl FnOnce()) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Recorder).expect("nothing else in this binary sets a logger");
        log::set_max_level(log::LevelFilter::Debug);
    });
    RECORDS.replace(Some(Vec::new()));
    log();
    RECORDS.take().expect("nothing else takes them")
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
        record.key_values().visit(&mut pairs).expect("nothing fails in there");
        let text = format!("{} {} {}{}", record.target(), record.level(), record.args(), pairs.0);
        RECORDS.with_borrow_mut(|records| records.iter_mut().for_each(|records| records.push(text.clone())));
    }

    fn flush(&self) {}
}
