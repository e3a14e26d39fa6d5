//! Writes an INF that binds a driver of Windows itself to USB devices (`formats.md` sections 7.2 and 8.2).
//!
//! The file names no catalogue, so it is unsigned: 64-bit Windows installs it only with driver signature enforcement
//! off, or after someone has made and signed a catalogue. What this writes has not been tried on Windows.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use super::{Date, Query};

/// Most devices of one file.
const MOST: usize = 1000;

/// Drivers that come with Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// `winusb.sys`: the device is opened by programs through libusb and the like.
    WinUsb,
    /// `usbser.sys`: the device is a COM port.
    Usbser,
}

/// Why no INF can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// No device.
    #[error("no device is named")]
    NoDevice,
    /// More than a person can have meant.
    #[error("more than {MOST} devices are named")]
    TooMany,
}

/// The text of the INF: ASCII, lines ended with CRLF. Devices named twice are written once.
///
/// # Errors
/// For no device, or more than 1000.
pub fn make(devices: &[Query], driver: Driver, date: Date) -> Result<String, MakeError> {
    let mut seen = BTreeSet::new();
    let devices: alloc::vec::Vec<Query> =
        devices.iter().copied().filter(|query| seen.insert(*query)).collect();
    if devices.is_empty() {
        return Err(MakeError::NoDevice);
    }
    if devices.len() > MOST {
        return Err(MakeError::TooMany);
    }
    let (class, guid, body) = match driver {
        Driver::WinUsb => ("USBDevice", "{88BAE032-5A81-49f0-BC3D-A4FF138216D6}", WINUSB),
        Driver::Usbser => ("Ports", "{4D36E978-E325-11CE-BFC1-08002BE10318}", USBSER),
    };
    let mut text = format!(
        "; Written by Bromide. Not tried on Windows.\n\
         ; It is unsigned (there is no catalogue): 64-bit Windows refuses it unless driver signature\n\
         ; enforcement is off, or a signed catalogue is added.\n\
         [Version]\nSignature=\"$Windows NT$\"\nClass={class}\nClassGuid={guid}\nProvider=%PROVIDER%\n\
         DriverVer={:02}/{:02}/{:04},1.0.0.0\n\n\
         [Manufacturer]\n%PROVIDER%=Devices,NTx86,NTamd64\n",
        date.month, date.day, date.year
    );
    let mut strings = String::from("\n[Strings]\nPROVIDER=\"Bromide\"\nSERVICE=\"USB serial port driver\"\n");
    for section in ["Devices.NTx86", "Devices.NTamd64"] {
        let _ = write!(text, "\n[{section}]\n");
        for (number, query) in (1..).zip(&devices) {
            let _ = writeln!(text, "%DEVICE{number}%=Install,{}", id(query));
        }
    }
    for (number, query) in (1..).zip(&devices) {
        let _ = writeln!(strings, "DEVICE{number}=\"{}\"", description(query));
    }
    text.push_str(body);
    text.push_str(&strings);
    Ok(text.replace('\n', "\r\n"))
}

fn id(query: &Query) -> super::UsbId {
    super::UsbId {
        vid: Some(query.vid),
        pid: Some(query.pid),
        rev: query.rev,
        mi: query.mi,
        ..super::UsbId::default()
    }
}

/// Names of the ids that are known (`formats.md` section 7.4).
fn description(query: &Query) -> String {
    let mut text = match (query.vid, query.pid) {
        (0x0e8d, 0x0003) => "MediaTek BootROM".into(),
        (0x0e8d, 0x2000) => "MediaTek preloader".into(),
        (0x0e8d, 0x2001) => "MediaTek Download Agent".into(),
        (vid, pid) => format!("USB device {vid:04x}:{pid:04x}"),
    };
    if let Some(mi) = query.mi {
        let _ = write!(text, ", interface {mi:02x}");
    }
    text
}

/// The interface GUID is this project's own, made at random; programs find the device by its USB ids.
const WINUSB: &str = "
[Install.NT]
Include=winusb.inf
Needs=WINUSB.NT

[Install.NT.HW]
AddReg=Install.AddReg

[Install.NT.Services]
Include=winusb.inf
Needs=WINUSB.NT.Services

[Install.AddReg]
HKR,,DeviceInterfaceGUIDs,0x00010000,\"{0c362e00-8aad-407a-ab24-b586faad57b3}\"
";

/// `mdmcpq.inf` brings `usbser.sys` along.
const USBSER: &str = "
[DestinationDirs]
FakeModemCopyFileSection=12
DefaultDestDir=12

[Install.NT]
Include=mdmcpq.inf
CopyFiles=FakeModemCopyFileSection
AddReg=Install.AddReg

[Install.NT.Services]
AddService=usbser,0x00000002,Service

[Install.AddReg]
HKR,,DevLoader,,*ntkern
HKR,,NTMPDriver,,usbser.sys
HKR,,EnumPropPages32,,\"MsPorts.dll,SerialPortPropPageProvider\"

[Service]
DisplayName=%SERVICE%
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\usbser.sys
";
