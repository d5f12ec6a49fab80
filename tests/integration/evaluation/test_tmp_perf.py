import time
from dataclasses import replace
from tests.integration.evaluation.conftest import Home
async def test_perf(home: Home) -> None:
    codes=[("158776",160,"mm[Hg]"),("158744",-120,"mm[Hg]"),("158852",40,"mm[Hg]"),("158740",398,"mL/min"),("158792",150,"mL/min"),("159036",600,"mL/h"),("159032",600,"mL"),("158720",30,"min"),("158724",200,"min"),("158772",30,"L"),("158788",13,"mS/cm"),("158796",36,"Cel")]
    for n,k in ((400,12),(400,1),(50,12)):
        rs=[home.reading(c,v,patient=f"p{i}",unit=u) for i in range(n) for c,v,u in codes[:k]]
        cs=[replace(home.sign(patient=f"p{i}"),device=f"d{i}") for i in range(n)]
        for rnd in range(6):
            home.pass_time(1)
            rs=[replace(r,effective=home.now,received=home.now) for r in rs]
            cs=[replace(c,received=home.now) for c in cs]
            async with home.record.transaction(1) as tx:
                t=time.perf_counter(); await home.evaluation.readings(tx, rs); t2=time.perf_counter()
                await home.evaluation.contacts(tx, cs); t3=time.perf_counter()
            print(n,k,"readings",round((t2-t)*1e3,2),"ms", round((t2-t)*1e6/len(rs),2),"us/reading contacts",round((t3-t2)*1e3,2))
    import cProfile,pstats
    n,k=400,12
    rs=[home.reading(c,v,patient=f"p{i}",unit=u) for i in range(n) for c,v,u in codes[:k]]
    async with home.record.transaction(1) as tx:
        await home.evaluation.readings(tx, rs)
        p=cProfile.Profile(); p.enable(); await home.evaluation.readings(tx, rs); p.disable()
        pstats.Stats(p).sort_stats("tottime").print_stats(14)
