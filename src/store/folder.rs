//! A folder as a store: what `object_store` leaves open. Its listing gives up at a file name that is not UTF-8, hides the
//! temporary files of interrupted writes, and takes a folder that is gone (a disk unplugged) for an empty one.

use super::{Listed, Listing};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{fs, io};
use vault_format::name::ObjectName;

/// The folder of a store, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Device and inode: an unmounted disk leaves another, empty folder in the same place.
    identity: (u64, u64),
    /// What opening it has made, the innermost folder first.
    made: Vec<PathBuf>,
}

impl Folder {
    /// Opens the folder; with `create`, makes it and the folder of objects in it, which nobody but the owner may enter.
    pub(super) fn open(root: &Path, create: bool) -> io::Result<Self> {
        let mut made = Vec::new();
        if create {
            let objects = root.join(vault_format::name::prefix());
            made.extend(objects.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&objects)?;
        }
        let root = root.canonicalize()?;
        let identity = identity(&root)?;
        fs::read_dir(&root)?;
        Ok(Self { root, identity, made })
    }

    /// Takes back what opening it has made, as far as nothing is in it.
    pub(super) fn unmake(&self) {
        let _ = self.made.iter().try_for_each(fs::remove_dir);
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything below a prefix.
    pub(super) fn list(&self, prefix: &str) -> io::Result<Listing> {
        let mut listing = Listing::default();
        walk(&self.root.join(prefix), prefix, DEPTH - prefix.split('/').count(), &mut listing)?;
        self.check_present()?;
        Ok(listing)
    }

    /// The names of the folders directly below a prefix.
    pub(super) fn folders(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in entries(&self.root.join(prefix))? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        self.check_present()?;
        Ok(names)
    }

    /// Makes sure that a file which another process wrote survives a loss of power.
    pub(super) fn sync(&self, path: &str) -> io::Result<()> {
        let file = self.root.join(path);
        fs::File::open(&file)?.sync_all()?;
        file.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    }

    /// Nothing is "not there" unless the folder itself is.
    pub(super) fn check_present(&self) -> io::Result<()> {
        match identity(&self.root) {
            Ok(now) if now == self.identity => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::NotConnected, "another folder is there now")),
            Err(source) => Err(io::Error::new(io::ErrorKind::NotConnected, source)),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The entries of a folder, none if there is none.
pub(super) fn entries(path: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

fn walk(folder: &Path, prefix: &str, depth: usize, listing: &mut Listing) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let name = format!("{prefix}/{}", file.to_string_lossy());
        // A link is followed, as reads follow it; a file that went away meanwhile was not there.
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if entry.file_type()?.is_symlink() {
                    listing.strange.push(name);
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        match file.to_str() {
            Some(_) if metadata.is_dir() && depth > 0 => walk(&entry.path(), &name, depth - 1, listing)?,
            Some(_) if metadata.is_file() => match ObjectName::parse(&name) {
                Some(name) => listing.objects.push(Listed { name, size: metadata.len() }),
                None if is_leftover(&name) => listing.leftovers.push(name),
                None => listing.strange.push(name),
            },
            _ => listing.strange.push(name),
        }
    }
    Ok(())
}

/// `object_store` writes to `<name>#<digits>` and then links or renames.
fn is_leftover(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(name, digits)| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && ObjectName::parse(name).is_some()
    })
}

/// Components of the longest name: `zv1/p/<device>/<hash>`.
const DEPTH: usize = 4;
