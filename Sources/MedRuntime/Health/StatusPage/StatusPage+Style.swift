// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension StatusPage {
    /// What `Content-Security-Policy` lets the browser apply: the hash of ``style``, byte for byte.
    static let styleHash = "sha256-MqBrW8jS2FxXs0S/uwBLkAJQ+yP7TiGhhbufRADmFpw="

    /// Shapes that tell the states apart without colours, drawn once and used by name.
    static let shapes: StaticString = """
        <svg class=defs aria-hidden=true><symbol id=up viewBox="0 0 24 24"><circle cx=12 cy=12 r=11 /><path class=cut d="M6.5 12.5l4 4 7-8"/></symbol>\
        <symbol id=degraded viewBox="0 0 24 24"><path d="M12 1.5 23.5 22H.5z"/><path class=cut d="M12 9v6M12 18v1.2"/></symbol>\
        <symbol id=down viewBox="0 0 24 24"><path d="M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z"/><path class=cut d="M8 8l8 8M16 8l-8 8"/></symbol>\
        <symbol id=unknown viewBox="0 0 24 24"><path d="M12 .5 23.5 12 12 23.5.5 12z"/><path class=cut d="M9.3 9.7a2.7 2.7 0 1 1 4 2.4c-1 .5-1.3 1-1.3 1.9M12 16.4v1.2"/></symbol>\
        <symbol id=now viewBox="0 0 24 24"><circle class=ring cx=12 cy=12 r=9.5 /><circle cx=12 cy=12 r=4.5 /></symbol>\
        <symbol id=later viewBox="0 0 24 24"><circle class=ring cx=12 cy=12 r=9.5 /></symbol></svg>
        """

    /// Lists without bullets have an empty string for one: with `none`, Safari takes them for no lists.
    static let style: StaticString = """
        :root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#16191d;--soft:#545d69;--line:#d5dae1;\
        --up:#157347;--degraded:#8f5500;--down:#b3261e;--unknown:#5b45b0;\
        --up-wash:#e3f4ea;--degraded-wash:#fdf0d5;--down-wash:#fde7e5;--unknown-wash:#eeeafb;--bar:#7fa894}
        @media(prefers-color-scheme:dark){:root{--page:#101317;--card:#191d23;--ink:#e9ecf0;--soft:#a5afbb;--line:#303740;\
        --up:#5fd08f;--degraded:#f2b545;--down:#ff8a80;--unknown:#b6a4ff;\
        --up-wash:#12291d;--degraded-wash:#32260d;--down-wash:#3d1815;--unknown-wash:#251f3d;--bar:#4d7a62}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
        .wrap{max-width:80rem;margin:0 auto;padding:0 1.25rem}
        .defs{position:absolute;width:0;height:0}
        .up{--it:var(--up);--wash:var(--up-wash)}.degraded{--it:var(--degraded);--wash:var(--degraded-wash)}
        .down{--it:var(--down);--wash:var(--down-wash)}.unknown{--it:var(--unknown);--wash:var(--unknown-wash)}
        svg{fill:currentColor}.cut{fill:none;stroke:var(--card);stroke-width:2.6;stroke-linecap:round;stroke-linejoin:round}
        .ring{fill:none;stroke:currentColor;stroke-width:2.5}
        header{background:var(--wash);border-top:.5rem solid var(--it);border-bottom:1px solid var(--line);padding:1.5rem 0}
        header .wrap{display:flex;gap:1.1rem;align-items:center}
        .mood{flex:none;width:3.5rem;height:3.5rem;color:var(--it)}
        h1{font-size:1.75rem;line-height:1.2;font-weight:500;margin:0;letter-spacing:-.01em}h1 b{color:var(--it);font-weight:750}
        header p{margin-top:.35rem}
        h2{font-size:1.05rem;margin:2rem 0 .75rem}
        ul,ol,p{margin:0}
        .facts{display:flex;flex-wrap:wrap;gap:.3rem 1.75rem;list-style:"";padding:0;font-variant-numeric:tabular-nums}
        .facts>*>span{display:block;color:var(--soft);font-size:.8rem}
        ul.facts{padding:1.1rem 0 0;gap:.75rem 2.25rem}ul.facts>*{font-weight:600}ul.facts span{font-weight:400}
        .checks,.steps{list-style:"";margin:0;padding:0}
        .checks>li{background:var(--card);border:1px solid var(--line);border-left:.4rem solid var(--it);border-radius:.5rem;padding:.9rem 1.1rem;margin:0 0 .6rem;\
        display:grid;gap:.6rem 1.75rem;grid-template-columns:minmax(0,1fr);align-items:start}
        .checks>.up{border-left-color:var(--line)}
        h3{font-size:1.05rem;margin:0;line-height:1.35}
        .state{margin-top:.15rem;display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .45rem}
        .state b,.state .shape{color:var(--it)}
        .shape{flex:none;width:1.15rem;height:1.15rem}
        .tag{color:var(--soft);font-size:.85rem}
        .why p{font-size:.95rem}.details{flex-basis:100%}.details b{font-weight:400;color:var(--soft)}
        .why .reason{margin:0 0 .5rem;font-size:1rem;padding:.5rem .75rem;background:var(--wash);border-radius:.35rem;max-width:65ch}
        .why .log{margin:0 0 .5rem;font-size:.9rem;color:var(--soft)}
        code{font:.95em ui-monospace,Menlo,Consolas,monospace}
        figure{margin:0;max-width:20rem}
        .bars{display:block;width:100%;height:auto;overflow:visible}
        .bars path{fill:none;stroke-width:2.8}.bars .line{stroke:var(--line);stroke-width:1}
        .bars .ok{stroke:var(--bar)}.bars .warn{stroke:var(--degraded)}.bars .bad{stroke:var(--down)}
        figcaption{color:var(--soft);font-size:.8rem;margin-top:.3rem}
        .steps{display:flex;flex-wrap:wrap;gap:.5rem 1.75rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1.1rem}
        .steps li{display:flex;flex-wrap:wrap;align-items:center;gap:.15rem .45rem;color:var(--soft)}
        .steps .now{color:var(--ink);font-weight:600}.steps .over,.steps span{color:var(--ink)}
        .steps .shape{color:var(--it,currentColor)}.steps i{font-style:normal;font-weight:400;color:var(--soft);font-size:.9rem}
        footer.wrap{color:var(--soft);font-size:.9rem;padding-top:1.25rem;padding-bottom:2rem}
        a{color:inherit;text-underline-offset:.15em}a:hover{color:var(--ink)}
        a:focus-visible{outline:.15rem solid;outline-offset:.2rem;border-radius:.1rem}
        @media(min-width:62rem){.why .facts>:first-child{min-width:19rem}.why .facts>:nth-child(2){min-width:9rem}.checks>li{grid-template-columns:minmax(0,14rem) minmax(0,1fr) 15rem}}
        @media(max-width:30rem){.wrap{padding:0 1rem}h1{font-size:1.4rem}.mood{width:2.6rem;height:2.6rem}.why .facts{display:block}.why .facts>*{padding-left:7rem}.why .facts>*>span{float:left;margin-left:-7rem;line-height:1.8}ul.facts{gap:.6rem 1.5rem}.steps{flex-direction:column}}
        @media(forced-colors:active){header,.checks>li{border-color:CanvasText}.cut{stroke:Canvas}.mood,.shape{color:CanvasText}.bars .ok,.bars .warn,.bars .bad{stroke:CanvasText}}
        @media print{:root{--page:#fff}.checks>li,.steps{break-inside:avoid}footer{display:none}}
        """
}
