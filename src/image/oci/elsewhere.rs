//! Layers that earlier builds left somewhere else: they are read and compared, and not packed.

use std::io;

use super::archive::unpack;
use super::pack::{Counted, Packing, Unpacked, pack};
use super::{Descriptor, ImageLayer, OciError};
use crate::image::layer::Layer;
use crate::model::digest::Digest;
use crate::store::cache::Cache;

/// Where layers are kept, by the digest of their tar.
pub trait Elsewhere {
    /// Brings the blob of a layer into the cache, if it is there, and names it.
    fn bring(&self, diff_id: &Digest) -> Option<Descriptor>;
}

/// Packs a layer, unless the cache has it, or it is kept elsewhere: then its files are only read.
/// Returns whether it was brought. What is brought must hold the very tar that packing would give:
/// who can write there decides nothing about the image.
pub fn pack_or_bring(
    layer: &Layer,
    packing: Packing,
    cache: &Cache,
    elsewhere: &dyn Elsewhere,
) -> Result<(ImageLayer, bool), OciError> {
    let wanted = Unpacked::new(layer, packing)?;
    if let Some(packed) = wanted.look_up(cache) {
        return Ok((packed, false));
    }
    let (diff_id, unpacked) = wanted.tar()?;
    let kind = packing.compression.media_type();
    let there = elsewhere.bring(&diff_id);
    if let Some(blob) = there.filter(|blob| blob.media_type == kind) {
        let brought = wanted.with(blob, diff_id, unpacked);
        if holds_its_tar(&brought, cache) {
            wanted.remember(&brought, cache);
            return Ok((brought, true));
        }
    }
    Ok((pack(layer, packing, cache)?, false))
}

/// Whether the blob of a layer is the tar of its digest.
fn holds_its_tar(layer: &ImageLayer, cache: &Cache) -> bool {
    let mut tar = Counted::new(io::sink());
    let read = unpack(layer, cache, |from| io::copy(from, &mut tar).map(drop));
    matches!(read, Ok(Ok(()))) && tar.finish().1 == layer.diff_id
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::layer::{LayerEntry, LayerNode};

    /// Gives this blob for any layer.
    struct Kept(Descriptor, Cell<usize>);

    impl Elsewhere for Kept {
        fn bring(&self, _: &Digest) -> Option<Descriptor> {
            self.1.set(self.1.get() + 1);
            Some(self.0.clone())
        }
    }

    fn layer(text: &str) -> Layer {
        let entry = LayerEntry::root(LayerNode::Made {
            bytes: text.as_bytes().into(),
            mode: 0o644,
        });
        Layer {
            title: "a layer".to_owned(),
            entries: BTreeMap::from([("app/a.txt".to_owned(), entry)]),
        }
    }

    #[test]
    fn only_the_same_tar_is_taken() {
        let directory = crate::testing::tree(&[]);
        let open = |name: &str| Cache::open(&directory.path().join(name)).unwrap();
        let packing = Packing::default();
        let (right, cold) = (open("right"), open("cold"));
        let made = pack(&layer("right"), packing, &right).unwrap();
        let wrong = pack(&layer("wrong"), packing, &cold).unwrap();
        // Another layer under the digest of this one: it is not believed.
        let poisoned = Kept(wrong.descriptor.clone(), Cell::default());
        let (packed, brought) = pack_or_bring(&layer("right"), packing, &cold, &poisoned).unwrap();
        assert_eq!((&packed, brought, poisoned.1.get()), (&made, false, 1));

        let other = open("other");
        let blob = right.path(&made.descriptor.digest);
        let bytes = fs_err::read(blob).unwrap();
        let mut copy = other.begin().unwrap();
        io::Write::write_all(&mut copy, &bytes).unwrap();
        copy.keep(&made.descriptor.digest).unwrap();
        let kept = Kept(made.descriptor.clone(), Cell::default());
        let taken = pack_or_bring(&layer("right"), packing, &other, &kept).unwrap();
        assert_eq!(taken, (made.clone(), true));
        // The second time, the cache knows it.
        let again = pack_or_bring(&layer("right"), packing, &other, &kept).unwrap();
        assert_eq!((again, kept.1.get()), ((made, false), 1));
    }
}
