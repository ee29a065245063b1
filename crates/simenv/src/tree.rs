//! Files and directories as they are at one moment, and the changes that lead to the next.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::content::Content;

/// A file or directory, whatever its name.
pub(crate) type Id = u64;

/// The directory `/`.
pub(crate) const ROOT: Id = 0;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    File(Arc<Content>),
    Dir(Arc<BTreeMap<String, Id>>),
}

/// What a new name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File,
    Dir,
}

/// A change of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
        /// The file was shorter.
        extends: bool,
    },
    SetLen(u64),
    Reserve(u64),
}

/// A change of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Naming {
    Create(String, Id, Kind),
    Remove(String),
    Rename(String, String),
}

impl Change {
    pub(crate) fn apply(&self, content: &mut Content) {
        match self {
            Self::Write { offset, bytes, .. } => content.write(*offset, bytes),
            Self::SetLen(len) => content.set_len(*len),
            Self::Reserve(len) => content.reserve(*len),
        }
    }
}

/// All of them. Nodes without a name stay until [`Tree::forget_unnamed`]: they may be open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<Id, Node>,
}

impl Tree {
    /// An empty `/`.
    pub(crate) fn new() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Dir(Arc::default()))]) }
    }

    /// Makes a node that has no name yet; one that is there stays as it is.
    pub(crate) fn make(&mut self, id: Id, kind: Kind) {
        self.nodes.entry(id).or_insert_with(|| match kind {
            Kind::File => Node::File(Arc::default()),
            Kind::Dir => Node::Dir(Arc::default()),
        });
    }

    pub(crate) fn change(&mut self, id: Id, change: &Change) {
        if let Some(Node::File(content)) = self.nodes.get_mut(&id) {
            change.apply(Arc::make_mut(content));
        }
    }

    /// Changes names. A name that is not there any more because its own making was lost takes what
    /// was to become of it along.
    pub(crate) fn name(&mut self, dir: Id, naming: &Naming) {
        if let Naming::Create(_, id, kind) = naming {
            self.make(*id, *kind);
        }
        let Some(Node::Dir(names)) = self.nodes.get_mut(&dir) else { return };
        let names = Arc::make_mut(names);
        match naming {
            Naming::Create(name, id, _) => {
                names.insert(name.clone(), *id);
            }
            Naming::Remove(name) => {
                names.remove(name);
            }
            Naming::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }

    pub(crate) fn file(&self, id: Id) -> io::Result<&Content> {
        match self.nodes.get(&id) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Dir(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn file_mut(&mut self, id: Id) -> Option<&mut Content> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(content)) => Some(Arc::make_mut(content)),
            _ => None,
        }
    }

    pub(crate) fn dir(&self, id: Id) -> io::Result<&BTreeMap<String, Id>> {
        match self.nodes.get(&id) {
            Some(Node::Dir(names)) => Ok(names),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn is_dir(&self, id: Id) -> bool {
        matches!(self.nodes.get(&id), Some(Node::Dir(_)))
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<Id> {
        let mut id = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let name = name.to_str().ok_or(ErrorKind::InvalidFilename)?;
                id = *self.dir(id)?.get(name).ok_or(ErrorKind::NotFound)?;
            }
        }
        Ok(id)
    }

    /// The directory that a path lies in, and the name there.
    pub(crate) fn place(&self, path: &Path) -> io::Result<(Id, String)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
        let name = name.to_str().ok_or(ErrorKind::InvalidFilename)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("/")))?;
        self.dir(parent)?;
        Ok((parent, name.to_owned()))
    }

    /// Every file by its path.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        self.collect(ROOT, Path::new("/"), &mut files);
        files
    }

    fn collect(&self, dir: Id, path: &Path, files: &mut Vec<PathBuf>) {
        let Ok(names) = self.dir(dir) else { return };
        for (name, id) in names {
            let path = path.join(name);
            if self.is_dir(*id) {
                self.collect(*id, &path, files);
            } else {
                files.push(path);
            }
        }
    }

    /// The highest id.
    pub(crate) fn last_id(&self) -> Id {
        self.nodes.last_key_value().map_or(ROOT, |(id, _)| *id)
    }

    /// What all files take of the disk.
    pub(crate) fn used(&self) -> u64 {
        let used = |node: &Node| match node {
            Node::File(content) => content.used(),
            Node::Dir(_) => 0,
        };
        self.nodes.values().map(used).sum()
    }

    /// Drops what has no name.
    pub(crate) fn forget_unnamed(&mut self) {
        let mut named = vec![ROOT];
        let mut at = 0;
        while at < named.len() {
            if let Ok(names) = self.dir(named[at]) {
                named.extend(names.values());
            }
            at += 1;
        }
        self.nodes.retain(|id, _| named.contains(id));
    }
}
