//! The size, compared with the image of a naive Dockerfile.

use crate::support::daemon::{Daemon, one_daemon};
use crate::support::tree::{shop, shop_files};

const NAIVE: &str = "\
FROM node:22-slim
WORKDIR /app
COPY . .
RUN npm install --global pnpm@10.34.8
RUN pnpm install --frozen-lockfile
RUN pnpm --filter @shop/server... build
CMD [\"node\", \"apps/server/dist/main.js\"]
";

/// A context of the whole workspace.
fn everything() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(NAIVE.len() as u64);
    archive
        .append_data(&mut header, "Dockerfile", NAIVE.as_bytes())
        .unwrap();
    for path in shop_files() {
        let mut file = fs_err::File::open(shop().join(&path)).unwrap();
        archive.append_file(&path, file.file_mut()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn the_image_is_less_than_half_of_the_naive_one() {
    one_daemon("the_image_is_less_than_half_of_the_naive_one", |daemon| {
        let (naive, slim) = (daemon.tag("naive"), daemon.tag("slim"));
        daemon.build(everything(), &naive.name);
        daemon
            .slimbuild(&shop(), &["apps/server", "-q", "-t", &slim.name])
            .bytes();
        let (naive, slim) = (size(daemon, &naive.name), size(daemon, &slim.name));
        let percent = slim * 100 / naive;
        eprintln!(
            "size: {} MB of {} MB, {percent} %",
            slim / 1_000_000,
            naive / 1_000_000
        );
        assert!(slim * 100 <= naive * 45, "{percent} %");
    });
}

fn size(daemon: &Daemon, image: &str) -> i64 {
    daemon.image(image).size.unwrap()
}
