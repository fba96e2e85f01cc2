//! Real daemons where there are any, and scripted ones.

mod loading;
mod scripted;
