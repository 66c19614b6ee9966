//! The functions of Helm templates: sprig's and Helm's own, for gotmpl.
