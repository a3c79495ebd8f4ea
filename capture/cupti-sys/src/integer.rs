//! C enumerations as open integer newtypes.
//!
//! The driver writes these values, so a closed Rust enum would be undefined behaviour the day a
//! new toolkit adds one. Each newtype lists the constants it knows as [`Constant`] facts, which
//! the conformance test compares with the headers.

use crate::toolkit::Toolkit;

/// One named integer of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The name in the C headers.
    pub c_name: &'static str,
    /// Its value.
    pub value: u64,
    /// The first compared toolkit whose headers have it.
    pub since: Toolkit,
}

/// Declares an integer newtype with named constants; see the module documentation.
macro_rules! integer_newtype {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($repr:ty), prefix $prefix:literal {
            $( $item:ident = $value:expr $(, since $since:ident)?; )*
        }
    ) => {
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            $(
                #[doc = concat!("`", $prefix, stringify!($item), "`")]
                pub const $item: Self = Self($value);
            )*

            /// Every constant named here, as facts to compare with the headers.
            pub const CONSTANTS: &'static [$crate::Constant] = &[$(
                $crate::Constant {
                    c_name: concat!($prefix, stringify!($item)),
                    value: ($value) as u64,
                    since: $crate::integer::integer_newtype!(@since $($since)?),
                },
            )*];

            /// The name in the C headers, when this value has one here.
            pub fn c_name(self) -> Option<&'static str> {
                Self::CONSTANTS
                    .iter()
                    .find(|constant| constant.value == self.0 as u64)
                    .map(|constant| constant.c_name)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self.c_name() {
                    Some(name) => write!(f, "{name} ({})", self.0),
                    None => write!(f, concat!(stringify!($name), "({})"), self.0),
                }
            }
        }
    };
    (@since) => { $crate::toolkit::CUDA_11_8 };
    (@since $since:ident) => { $crate::toolkit::$since };
}

pub(crate) use integer_newtype;
