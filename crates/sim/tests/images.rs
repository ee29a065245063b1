//! Whatever a power cut leaves of a member's files, at whatever moment, the member goes on from it
//! with everything that was acknowledged.

use sim::{Life, Story, images_of};

/// How many images a debug build recovers of each story; `OXETCD_IMAGES` for another number.
const IMAGES: usize = 60;
/// Images by chance of each moment.
const BY_CHANCE: u64 = 3;
/// All images of a moment: those by chance, everything that was written, and only what was synced.
const EACH: usize = 2 + BY_CHANCE as usize;
/// The life that comes first; the next has the next seed.
const FIRST_LIFE: u64 = 7;

#[test]
fn every_image_of_a_life_is_recovered() {
    let wanted = std::env::var("OXETCD_IMAGES").ok().and_then(|text| text.parse().ok());
    let wanted: usize = wanted.unwrap_or(IMAGES);
    let all = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for story in Story::ALL {
            let all = &all;
            scope.spawn(move || {
                let (mut images, mut moments, mut lives) = (0, 0, 0);
                for seed in FIRST_LIFE.. {
                    let life = Life::of(story, seed);
                    let (images_here, moments_here) = recover(story, &life, wanted - images);
                    images += images_here;
                    moments += moments_here;
                    lives += 1;
                    if images >= wanted {
                        break;
                    }
                }
                all.fetch_add(images, std::sync::atomic::Ordering::Relaxed);
                println!("{story:?}: {images} images of {moments} moments in {lives} lives");
            });
        }
    });
    let all = all.into_inner();
    sim::remark(&format!("{all} crash images of {} stories recovered", Story::ALL.len()));
    assert!(all >= Story::ALL.len() * wanted, "{all} images");
}

/// Recovers the images of as many moments of a life as are wanted, spread over all of it: how many
/// images, and of how many moments.
fn recover(story: Story, life: &Life, wanted: usize) -> (usize, usize) {
    let step = (life.moments() * EACH / wanted).max(1);
    let (mut images, mut moments) = (0, 0);
    for (moment, crash) in life.crashes().enumerate().step_by(step) {
        let those = images_of(&crash, BY_CHANCE, moment as u64);
        for (number, image) in those.into_iter().enumerate() {
            let recovered = life.recover(&crash, image, moment as u64);
            recovered.unwrap_or_else(|wrong| {
                panic!("{story:?}, moment {moment}, image {number}: {wrong}")
            });
            images += 1;
        }
        moments += 1;
        if images >= wanted {
            break;
        }
    }
    (images, moments)
}
