//! auditssh-view
