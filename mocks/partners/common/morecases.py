"""POST /admin/run: how many cases more a partner that opens cases is asked for."""

from fastapi import Request
from fastapi.responses import JSONResponse

from mocks.partners.common import strictjson


async def asked_cases(request: Request, so_far: int, most: int) -> int | JSONResponse:
    """The number asked for, or the answer that says what is wrong with it."""
    try:
        asked = strictjson.read_object(await request.body())
    except strictjson.BadJson:
        asked = {}
    number = asked.get("cases")
    if asked.keys() != {"cases"} or not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return JSONResponse({"detail": "cases: a whole number of at least 1 is needed"}, 422)
    if so_far + number > most:
        return JSONResponse({"detail": f"cases: at most {most} together"}, 422)
    return number
