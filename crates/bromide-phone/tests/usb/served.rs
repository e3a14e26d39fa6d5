//! A phone served in another thread of the test.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use bromide_phone::serve::{ServeError, Serving, Terms, usbip, usbredir};
use bromide_phone::usb::{Face, UsbOptions};
use bromide_phone::{Boot, Factory, Filling, NandChip, Options, Pace, Phone};

use crate::host::mt6575;

/// Stopped when dropped.
pub(crate) struct Served {
    stop: Arc<AtomicBool>,
    events: mpsc::Receiver<Serving>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
    pub(crate) address: String,
}

fn phone(options: Options) -> Phone {
    let model = mt6575();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    factory.fill("preloader", 128, Filling::default()).unwrap();
    Phone::new(model, factory.finish().unwrap(), options)
}

/// A phone in its BootROM that never loses patience.
pub(crate) fn boot_rom(usb: UsbOptions) -> Options {
    Options { usb, bootrom_patience: None, ..Options::default() }
}

/// A phone in a preloader that stays this long.
pub(crate) fn preloader(stay: Duration, usb: UsbOptions) -> Options {
    Options { usb, boot: Boot::Preloader, preloader_patience: Some(stay), ..Options::default() }
}

impl Served {
    pub(crate) fn usbip(options: Options) -> Self {
        Self::paced(options, Pace::None)
    }

    pub(crate) fn paced(options: Options, pace: Pace) -> Self {
        Self::new(options, pace, |phone, terms, tell| usbip(phone, "127.0.0.1:0", terms, tell))
    }

    pub(crate) fn usbredir(options: Options, path: PathBuf) -> Self {
        Self::new(options, Pace::None, move |phone, terms, tell| usbredir(phone, &path, terms, tell))
    }

    fn new(
        options: Options,
        pace: Pace,
        serve: impl FnOnce(&mut Phone, Terms<'_>, &mut dyn FnMut(Serving)) -> Result<(), ServeError>
        + Send
        + 'static,
    ) -> Self {
        let mut phone = phone(options);
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, events) = mpsc::channel();
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let terms = Terms { pace, stop: &flag };
            // A test that has ended listens no more.
            serve(&mut phone, terms, &mut |event| tell.send(event).unwrap_or(()))
        });
        let mut served = Self { stop, events, thread: Some(thread), address: String::new() };
        match served.next() {
            Serving::At(address) => served.address = address,
            other => panic!("{other:?} before the address"),
        }
        served
    }

    pub(crate) fn next(&self) -> Serving {
        self.events.recv_timeout(Duration::from_secs(10)).expect("something happens")
    }

    /// Skips events until the phone leaves: as what and why.
    pub(crate) fn left(&self) -> (Face, String) {
        loop {
            if let Serving::Left { face, why } = self.next() {
                return (face, why);
            }
        }
    }

    /// Requests told so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        let told = self.events.try_iter();
        told.filter_map(|event| if let Serving::Request(line) = event { Some(line) } else { None }).collect()
    }

    /// Waits for the end of a phone that has had enough plug-ins.
    pub(crate) fn ends(mut self) -> Result<(), ServeError> {
        self.thread.take().expect("only taken here").join().expect("the server did not panic")
    }

    pub(crate) fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("only taken here");
        thread.join().expect("the server did not panic").unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
