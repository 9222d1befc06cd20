"""One module a feature; each declares its pages in a module-level `pages = Pages()`, and is found by itself.

    @pages.get("/cases/{case_no}", function="case.view", title="办件", example={"case_no": "@case"})
    def case(ctx: Context) -> Response:
        return ctx.render("counter/case.html", case=progress.of(ctx.hall, ctx.clerk, ctx.path["case_no"]))

    @pages.post("/cases/{case_no}/accept", function="counter.accept")
    def accept(ctx: Context) -> Response:
        try:
            accepting.accept(ctx.hall, ctx.clerk, ctx.path["case_no"], ctx.form.one("opinion"))
        except HallRefused as refusal:
            return ctx.fault(refusal, "counter/case.html", case=...)
        return ctx.redirect(f"/cases/{ctx.path['case_no']}", "已受理")

`function=None` is for whoever is signed in, with `public=True` for everybody (there `ctx.signed` may be
None). `menu="窗口"` puts a page into the function tree, `count="todo"` a live number behind it, which
`@pages.counter("todo", function)` counts. A template extends frame.html (or bare.html), imports macros.html
with context, and puts `{{ ctx.guard() }}` into every form that posts; a form with files says
enctype="multipart/form-data" and its page `files=`. `hallservice.web.lists` holds what the list macros take.
Every GET page is opened by a test in a browser: `example` gives the values of its path (and of a query, under
"?name"); "@name" stands for what the test's world prepared under that name.
"""
