//! The kernel's questions. They come on a thread of FUSE's; the files are asked on the thread that opened them, one
//! question after the other.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bromide_link::Cancel;
use fuser::{
    BackgroundSession, Config, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyXattr, Request,
};
use rustix::mount::{UnmountFlags, unmount};

use super::view::View;

/// How long the kernel may keep what it was told: nothing ever changes.
const TTL: Duration = Duration::from_secs(3600);

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A question with the way to answer it.
type Question = Box<dyn FnOnce(&mut View<'_>) + Send>;

/// Hands the kernel's questions on.
struct Asks(Sender<Question>);

/// A mounted directory. Unmounted when dropped.
pub(super) struct Mounted {
    session: BackgroundSession,
    questions: Receiver<Question>,
    directory: PathBuf,
}

impl Mounted {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let directory = directory.canonicalize()?;
        let (ask, questions) = channel();
        let mut config = Config::default();
        let name = || "bromide".to_owned();
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::FSName(name()),
            MountOption::Subtype(name()),
        ];
        let session = fuser::spawn_mount(Asks(ask), &directory, &config)?;
        Ok(Self { session, questions, directory })
    }

    /// Answers until somebody unmounts it, or the user wants to stop.
    pub(super) fn serve(self, view: &mut View<'_>, cancel: &Cancel) {
        while !cancel.is_set() {
            match self.questions.recv_timeout(LOOK) {
                Ok(answer) => answer(view),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let Self { session, questions, directory } = self;
        // Whoever still waits for an answer is let go; who asks later gets an error when this program has ended.
        drop(questions);
        // It goes at once, used or not. Only root may do that directly.
        if unmount(&directory, UnmountFlags::DETACH).is_ok() {
            std::mem::forget(session); // it would unmount what is below, too
        } else {
            drop(session); // by fusermount3 -u -z
        }
    }
}

impl Asks {
    fn ask(&self, question: impl FnOnce(&mut View<'_>) + Send + 'static) {
        let _ = self.0.send(Box::new(question)); // a reply that is dropped answers with an error
    }
}

/// Answers with an attribute's value or list, or how long it is.
fn answer_xattr(bytes: Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
    match bytes {
        Err(error) => reply.error(error),
        Ok(bytes) => match u32::try_from(bytes.len()) {
            Ok(len) if size == 0 => reply.size(len),
            Ok(len) if len <= size => reply.data(&bytes),
            _ => reply.error(Errno::ERANGE),
        },
    }
}

impl Filesystem for Asks {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.as_bytes().to_vec();
        self.ask(move |view| match view.lookup(parent, &name) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        });
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.ask(move |view| match view.getattr(inode) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        });
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        self.ask(move |view| match view.readlink(inode) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        });
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.ask(move |view| match view.open(inode) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        });
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.ask(move |view| match view.read(inode, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        });
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.ask(move |view| {
            let mut at = offset;
            loop {
                match view.listed(inode, usize::try_from(at).unwrap_or(usize::MAX)) {
                    Ok(Some((inode, kind, name))) => {
                        at += 1;
                        if reply.add(inode, at, kind, OsStr::from_bytes(&name)) {
                            return reply.ok();
                        }
                    }
                    Ok(None) => return reply.ok(),
                    Err(error) => return reply.error(error),
                }
            }
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.as_bytes().to_vec();
        self.ask(move |view| {
            let found = view.xattrs(inode).map(|all| all.into_iter().find(|it| it.name == name));
            let value = found.and_then(|it| it.map(|it| it.value).ok_or(Errno::ENODATA));
            answer_xattr(value, size, reply);
        });
    }

    fn listxattr(&self, _: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        self.ask(move |view| {
            let list = |all: Vec<bromide_image::files::Xattr>| {
                all.into_iter().flat_map(|it| [&it.name[..], b"\0"].concat()).collect()
            };
            answer_xattr(view.xattrs(inode).map(list), size, reply);
        });
    }
}
