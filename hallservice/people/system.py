"""Who acts where nobody has signed in yet: the set-up of the site, and the sign-in itself."""

from hallservice.people.clerk import Clerk

SYSTEM = Clerk("", "system", "系统", "", "", "441400000000", "")
