use bench::{require, Config, State, Suite};
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

const CONFIG: Config = Config(include_str!("config.h"));

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join("weft-bench-files");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn fill(path: &Path, bytes: usize) {
    if std::fs::metadata(path).map_or(false, |found| found.len() == bytes as u64) {
        return;
    }
    std::fs::write(path, vec![b'x'; bytes]).unwrap();
}

async fn small(mut state: State) -> State {
    let (files, bytes) = (CONFIG.number("small_files"), CONFIG.number("small_bytes"));
    let paths: Vec<PathBuf> = (0..files).map(|i| folder().join(i.to_string())).collect();
    for path in &paths {
        fill(path, bytes);
    }
    let mut handles = Vec::with_capacity(files);
    while state.keep_running() {
        handles.extend(paths.iter().cloned().map(|path| tokio::spawn(tokio::fs::read(path))));
        let mut sum = 0;
        for handle in handles.drain(..) {
            sum += handle.await.unwrap().unwrap().len();
        }
        require(sum == files * bytes, "sum of sizes");
    }
    state.count_items(files);
    state
}

async fn large(mut state: State) -> State {
    let (chunks, bytes) = (CONFIG.number("chunks"), CONFIG.number("chunk_bytes"));
    let path = folder().join("large");
    fill(&path, chunks * bytes);
    let mut buffer = vec![0; bytes];
    while state.keep_running() {
        let mut file = tokio::fs::File::open(&path).await.unwrap();
        let mut sum = 0;
        loop {
            let count = file.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            sum += count;
        }
        require(sum == chunks * bytes, "size of the file");
    }
    state.count_items(chunks);
    state
}

pub fn main() {
    Suite::new().add("files/small", small).add("files/large", large).main();
}
