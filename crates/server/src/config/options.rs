//! How an option is declared: once, with its meaning, its variable, its name, its
//! type and its default. What is given (each may be absent) and what holds (each
//! has a value) follow from that; the rest of the house sees only what holds.

/// Declares one group of options: `Given`, as read from flags, environment and
/// file, and the named struct, as they hold. An option without a default may stay
/// unset. What stands under `tables` is for the file alone.
macro_rules! options {
    (
        $(#[doc = $about:literal])+
        $held:ident {
            $(
                $(#[doc = $doc:literal])+
                $env:literal $(($($arg:tt)+))? $name:ident: $type:ty $(= $default:expr)?;
            )+
        }
        $(tables {
            $(
                $(#[doc = $told:literal])+
                $table:ident: $shape:ty;
            )+
        })?
    ) => {
        /// The options of this group as given: each may be absent.
        #[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
        #[group(skip)]
        pub struct Given {
            $(
                $(#[doc = $doc])+
                #[arg(long, env = $env $(, $($arg)+)?)]
                pub $name: Option<$type>,
            )+
            $($(
                $(#[doc = $told])+
                #[arg(skip)]
                pub $table: Option<$shape>,
            )+)?
        }

        $(#[doc = $about])+
        #[derive(Debug, Clone, serde::Serialize)]
        pub struct $held {
            $(
                $(#[doc = $doc])+
                pub $name: $crate::config::options::options!(@type $type $(, $default)?),
            )+
            $($(
                $(#[doc = $told])+
                pub $table: $shape,
            )+)?
        }

        impl Given {
            /// Takes this group's options out of a file's.
            pub(super) fn take(
                file: &mut toml::Table,
            ) -> Result<Self, $crate::config::options::Wrong> {
                Ok(Self {
                    $($name: $crate::config::options::take(file, stringify!($name))?,)+
                    $($($table: $crate::config::options::take(file, stringify!($table))?,)+)?
                })
            }

            /// These options where given, the others elsewhere.
            pub(super) fn over(self, under: Self) -> Self {
                Self {
                    $($name: self.$name.or(under.$name),)+
                    $($($table: self.$table.or(under.$table),)+)?
                }
            }

            /// The options with their defaults, not yet checked.
            pub(super) fn fill(self) -> $held {
                $held {
                    $($name: $crate::config::options::options!(@value self.$name $(, $default)?),)+
                    $($($table: self.$table.unwrap_or_default(),)+)?
                }
            }
        }
    };
    (@type $type:ty, $default:expr) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@value $given:expr, $default:expr) => { $given.unwrap_or($default) };
    (@value $given:expr) => { $given };
}
pub(super) use options;

/// An option of the file that cannot be read, and why.
pub(super) type Wrong = (&'static str, toml::de::Error);

/// Takes one option out of a file's.
pub(super) fn take<T: serde::de::DeserializeOwned>(
    file: &mut toml::Table,
    name: &'static str,
) -> Result<Option<T>, Wrong> {
    let value = file.remove(name).map(toml::Value::try_into);
    value.transpose().map_err(|error| (name, error))
}
