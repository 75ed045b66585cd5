//! The weather: a server with a lifespan and a middleware of its own.

use edgemcp::{middleware::DetailedTiming, prelude::*};

/// What it is started with once per instance.
struct Station {
    name: String,
}

/// Say how the weather will be.
#[tool(read_only)]
async fn forecast(station: State<Station>, city: String) -> String {
    format!("{}: sunny in {city}", station.name)
}

/// The cities that there is a forecast for.
#[resource("data://cities")]
async fn cities() -> Json<[&'static str; 3]> {
    Json(["Basel", "Bern", "Zürich"])
}

/// How warm it is in a city.
#[resource("data://{city}/temperature")]
async fn temperature(city: String) -> String {
    format!("18 °C in {city}")
}

/// Plan a trip.
#[prompt]
async fn trip(city: String) -> String {
    format!("Plan a trip to {city}.")
}

/// Cities by what was typed of them.
#[completion(prompt = "trip", argument = "city")]
async fn city(city: String) -> Vec<&'static str> {
    ["Basel", "Bern", "Zürich"].into_iter().filter(|name| name.starts_with(&city)).collect()
}

/// The definition.
pub(crate) fn server() -> Server {
    Server::new("weather", env!("CARGO_PKG_VERSION"))
        .middleware(DetailedTiming::new())
        .lifespan(|platform| async move {
            let name = platform.var("COMPOSITION_STATION").unwrap_or_else(|| "Säntis".to_owned());
            Ok::<_, std::convert::Infallible>(Station { name })
        })
        .tool(forecast::tool())
        .resource(cities::resource())
        .resource(temperature::resource())
        .prompt(trip::prompt())
        .completion(city::completion())
}
