//! Whatever a power cut leaves of a member's files, at whatever moment, the member goes on from it
//! with everything that was acknowledged.

use sim::{Life, Story, images_of};

/// How many images a debug build recovers of each story; `OXETCD_IMAGES` for another number.
const IMAGES: usize = 60;
/// Images by chance of each moment.
const BY_CHANCE: u64 = 3;

#[test]
fn every_image_of_a_life_is_recovered() {
    let wanted = std::env::var("OXETCD_IMAGES").ok().and_then(|text| text.parse().ok());
    let wanted: usize = wanted.unwrap_or(IMAGES);
    let each = 2 + BY_CHANCE as usize;
    std::thread::scope(|scope| {
        for story in Story::ALL {
            scope.spawn(move || {
                let life = Life::of(story, 7);
                // Every moment, or as many as make up the number, spread over all of the life.
                let step = (life.moments() * each / wanted).max(1);
                let mut images = 0;
                for (moment, crash) in life.crashes().enumerate().step_by(step) {
                    for (number, image) in
                        images_of(&crash, BY_CHANCE, moment as u64).into_iter().enumerate()
                    {
                        let recovered = life.recover(&crash, image, moment as u64);
                        recovered.unwrap_or_else(|wrong| {
                            panic!("{story:?}, moment {moment}, image {number}: {wrong}")
                        });
                        images += 1;
                    }
                }
                println!("{story:?}: {images} images of {} moments", life.moments());
                assert!(images >= wanted / 2, "{story:?}: {images} images");
            });
        }
    });
}
